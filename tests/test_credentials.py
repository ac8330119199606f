"""Credentials have a fingerprint that names their version, and problems that name the file."""

import re

import pytest

from broker.credentials import ORGANIZATION, Credentials
from broker.secret import Secret

CONSUMER = "0123456789abcdef" * 4
SECRET_KEY = "01234567-89ab-cdef-0123-456789abcdef"


def make(consumer: str = CONSUMER, secret_key: str = SECRET_KEY) -> Credentials:
    """Return credentials of these texts."""
    return Credentials(Secret(consumer), Secret(secret_key))


def test_equal_keys_have_equal_versions() -> None:
    """In every process, today and tomorrow: records in Redis are found by it."""
    assert make() == make()
    assert make().version == make().version == "bdbe65d080a3dea0"


@pytest.mark.parametrize(
    "other",
    [
        make(consumer="1" + CONSUMER[1:]),
        make(secret_key="1" + SECRET_KEY[1:]),
        make(consumer=CONSUMER.upper()),
        make(consumer=SECRET_KEY, secret_key=CONSUMER),
        make(consumer=CONSUMER + SECRET_KEY[:1], secret_key=SECRET_KEY[1:]),
        make(consumer=""),
    ],
)
def test_any_other_keys_have_another_version(other: Credentials) -> None:
    """Whichever of the two changed, and wherever one ends and the other begins."""
    assert other.version != make().version
    assert other != make()


def test_the_version_tells_nothing_of_the_keys() -> None:
    """It is a short hexadecimal digest, fit for logs and health."""
    credentials = make()
    assert re.fullmatch(r"[0-9a-f]{16}", credentials.version)
    assert CONSUMER not in repr(credentials)
    assert SECRET_KEY not in repr(credentials)
    assert credentials.version in repr(credentials)


@pytest.mark.parametrize("credentials", [make(), make(CONSUMER.upper(), SECRET_KEY.upper())])
def test_keys_as_canvas_issues_them_have_no_problem(credentials: Credentials) -> None:
    """In either case of letters."""
    assert credentials.problems("consumer", "secret-key") == []


@pytest.mark.parametrize(
    "consumer",
    [
        "",
        CONSUMER[1:],
        CONSUMER + "0",
        "g" + CONSUMER[1:],
        CONSUMER + "\n",
        "\u0660" + CONSUMER[1:],
    ],
)
def test_a_consumer_that_canvas_could_not_have_issued_is_told(consumer: str) -> None:
    """By the name of its file, without its text."""
    (problem,) = make(consumer=consumer).problems("acme/consumer", "acme/secret-key")
    assert problem == "acme/consumer must be 64 hexadecimal digits"


@pytest.mark.parametrize(
    "secret_key",
    ["", SECRET_KEY.replace("-", ""), SECRET_KEY[1:], f"{{{SECRET_KEY}}}", SECRET_KEY + "\n"],
)
def test_a_secret_key_that_canvas_could_not_have_issued_is_told(secret_key: str) -> None:
    """As above."""
    (problem,) = make(secret_key=secret_key).problems("acme/consumer", "acme/secret-key")
    assert problem == "acme/secret-key must be a UUID (8-4-4-4-12 hexadecimal digits)"


def test_both_problems_are_told_at_once() -> None:
    """Also when the two were swapped."""
    assert len(make(SECRET_KEY, CONSUMER).problems("a", "b")) == 2


@pytest.mark.parametrize("name", ["a", "0", "acme", "acme-1.eu_x", "a" * 63])
def test_names_fit_for_an_organization(name: str) -> None:
    """They fit a folder, a query and a metric."""
    assert ORGANIZATION.fullmatch(name)


@pytest.mark.parametrize(
    "name", ["", "A", "-a", "a-", ".", "..", "a/b", "a b", "a\n", "é", "a" * 64, "_a", "a\0"]
)
def test_names_that_are_not(name: str) -> None:
    """Nothing that leaves a folder or needs quoting."""
    assert not ORGANIZATION.fullmatch(name)
