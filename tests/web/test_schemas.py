"""Every bad parameter is a 400 that names it and what is allowed, and repeats nothing hostile."""

import pytest

from tests.web.rig import Rig, error_of

ORGANIZATION = "organization must be 1 to 63 characters of a-z, 0-9, '.', '_' and '-'"
MIN_TTL = "min_ttl must be a whole number from 0 to 86400"
REJECTED = "rejected must be a whole number from 1 to 9223372036854775807"
NOT_A_NUMBER = (
    "",
    "+1",
    "-1",
    "%2B1",
    "%201",
    "1%20",
    "1%0A",
    "1_000",
    "1.0",
    "1e3",
    "0x10",
    "abc",
    "true",
    "null",
    "NaN",
    "%D9%A1",  # an Arabic digit
    "%C2%B2",  # a superscript digit
    "%EF%BC%91",  # a full-width digit
    "1%00",
    "1;2",
    "9" * 500,
    "0" * 500,
)
NOT_AN_ORGANIZATION = (
    "",
    "Acme",
    "ACME",
    "acme%20",
    "%20acme",
    "acme%0A",
    "acme%00",
    "acme%0D%0ASet-Cookie:x",
    "..",
    "../acme",
    "..%2Facme",
    "acme/globex",
    "-acme",
    "acme-",
    ".acme",
    "a" * 64,
    "a" * 1500,
    "acm%C3%A9",
    "acm%D0%B5",  # a Cyrillic e
    "*",
    "acme,globex",
    "%7B%7B7*7%7D%7D",
)


@pytest.mark.parametrize("value", NOT_AN_ORGANIZATION)
def test_a_bad_organization_is_named_with_the_rule(rig: Rig, value: str) -> None:
    """And its text is not repeated."""
    description = error_of(rig.get(f"/token?organization={value}"), 400, "invalid_request")
    assert description.startswith(ORGANIZATION)
    assert not value or value not in description.removeprefix(ORGANIZATION)


@pytest.mark.parametrize("value", [*NOT_A_NUMBER, "86401"])
def test_a_bad_min_ttl_is_named_with_its_range(rig: Rig, value: str) -> None:
    """Only decimal digits within the range are a number."""
    description = error_of(rig.get(f"/token?min_ttl={value}"), 400, "invalid_request")
    assert description == MIN_TTL


@pytest.mark.parametrize("value", [*NOT_A_NUMBER, "0", "9223372036854775808"])
def test_a_bad_generation_is_named_with_its_range(rig: Rig, value: str) -> None:
    """It must fit 63 bits, as Redis keeps it."""
    description = error_of(rig.get(f"/token?rejected={value}"), 400, "invalid_request")
    assert description == REJECTED


@pytest.mark.parametrize("value", ["1", "9223372036854775807"])
def test_the_borders_of_a_generation_are_taken(rig: Rig, value: str) -> None:
    """The largest is nobody's, so it is not acted upon."""
    assert rig.get(f"/token?rejected={value}").status_code in {200, 503}


@pytest.mark.parametrize("value", ["a", "0", "a.b_c-9", "x" * 63])
def test_the_borders_of_an_organization_are_read_and_then_forbidden(rig: Rig, value: str) -> None:
    """They are sound names of organizations that are not there."""
    error_of(rig.get(f"/token?organization={value}"), 403, "insufficient_scope")


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("organisation=acme", "organisation"),
        ("Organization=acme", "Organization"),
        ("organization%5B%5D=acme", "organization??"),
        ("min_ttl%20=1", "min_ttl?"),
        ("scope=acme", "scope"),
        ("access_token=x", "access_token"),
        ("_schema=x", "_schema"),
        ("=x", "a parameter without a name"),
        ("a%00b=x", "a?b"),
        ("a%0D%0Ab=x", "a??b"),
        ("%3Cb%3E=x", "?b?"),
        ("%C3%A9=x", "?"),
        ("n" * 1000, "n" * 40),
    ],
)
def test_an_unknown_parameter_is_named_with_those_that_are_known(
    rig: Rig, query: str, name: str
) -> None:
    """In plain characters, and cut."""
    description = error_of(rig.get(f"/token?{query}"), 400, "invalid_request")
    assert description == f"{name} is not known; known are min_ttl, organization, rejected"


@pytest.mark.parametrize(
    "query",
    [
        "organization=acme&organization=acme",
        "organization=acme&organization=globex",
        "organization=&organization=acme",
    ],
)
def test_a_repeated_parameter_is_refused_even_if_it_says_the_same(rig: Rig, query: str) -> None:
    """Nobody has to guess which one counts."""
    description = error_of(rig.get(f"/token?{query}"), 400, "invalid_request")
    assert description == "organization is given more than once"


def test_several_bad_parameters_are_told_at_once(rig: Rig) -> None:
    """In one sentence each."""
    query = "min_ttl=x&rejected=y&organization=Z&more=1"
    description = error_of(rig.get(f"/token?{query}"), 400, "invalid_request")
    for part in (MIN_TTL, REJECTED, ORGANIZATION, "more is not known"):
        assert part in description


@pytest.mark.parametrize("name", ["organization", "min_ttl", "rejected", "unknown"])
def test_no_value_is_ever_repeated(rig: Rig, name: str) -> None:
    """Somebody may paste a secret there."""
    response = rig.get(f"/token?{name}=Canary-7f3a%3Cscript%3E")
    error_of(response, 400, "invalid_request")
    assert b"anary" not in response.data
    assert "anary" not in str(response.headers)


def test_a_bad_request_reaches_nobody(rig: Rig) -> None:
    """Neither Canvas nor Redis are asked."""
    rig.redis_answers = False
    error_of(rig.get("/token?min_ttl=-1"), 400, "invalid_request")
    assert rig.canvas.calls == []


def test_an_empty_query_is_none(rig: Rig) -> None:
    """A bare question mark or ampersand asks for nothing."""
    assert rig.get("/token?").status_code == 200
    assert rig.get("/token?&").status_code == 200
