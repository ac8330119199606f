"""The finder finds: each form planted in a text, and nothing where nothing was planted."""

import base64
import json
import logging
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from tests.canary.finder import Everything, Finder, everything

AWKWARD = 'p@ss "wörd"/+~\\%\n'
CONSUMER = "beefcafe" * 8
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiJjYW5hcnkifQ.c2lnbmF0dXJlLWNhbmFyeQ"


@pytest.mark.parametrize("secret", [AWKWARD, CONSUMER, JWT])
@pytest.mark.parametrize(
    "plant",
    [
        str,
        str.upper,
        quote,
        quote_plus,
        lambda secret: quote(secret, safe=""),
        lambda secret: quote(secret, safe="").lower(),
        json.dumps,
        lambda secret: json.dumps(secret, ensure_ascii=False),
        lambda secret: json.dumps({"body": json.dumps({"it": secret})}),
        repr,
        lambda secret: repr([{"it": secret}]),
        lambda secret: repr(secret.encode()),
        lambda secret: secret.encode().hex(),
        lambda secret: secret.encode().hex().upper(),
        lambda secret: base64.b64encode(secret.encode()).decode(),
        lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
        lambda secret: base64.b64encode(f"n:{secret}".encode()).decode(),
        lambda secret: base64.b64encode(f"na:{secret}:x".encode()).decode(),
        lambda secret: base64.urlsafe_b64encode(f"nam:{secret}".encode()).decode(),
        lambda secret: everything(ValueError(secret)),
    ],
)
def test_a_planted_secret_is_found(plant: Callable[[str], str], secret: str) -> None:
    """In each form, in the middle of other text."""
    assert Finder(secret).leaks(f"before {plant(secret)} after")


def test_the_parts_of_a_token_are_found_and_its_header_is_not() -> None:
    """The header is the same in every token."""
    header, payload, signature = JWT.split(".")
    assert Finder(JWT).leaks(payload)
    assert Finder(JWT).leaks(signature)
    assert not Finder(JWT).leaks(header)


def test_nothing_is_found_where_nothing_was_planted() -> None:
    """One digit more or less is another word."""
    assert not Finder(AWKWARD, CONSUMER, JWT).leaks(f"{CONSUMER[:-1]}0 {AWKWARD[1:]}")


def test_what_is_added_later_is_found() -> None:
    """Tokens are minted while a run goes on."""
    finder = Finder(CONSUMER)
    finder.add([JWT])
    assert finder.leaks(JWT)


def test_locals_and_causes_are_searched() -> None:
    """A variable of a frame that an exception passed is shown by many a crash reporter."""

    def inner(planted: str) -> None:
        raise KeyError(len(planted))

    def outer(planted: str) -> None:
        try:
            inner(planted)
        except KeyError as error:
            raise ValueError from error

    with pytest.raises(ValueError) as found:
        outer(CONSUMER)
    assert Finder(CONSUMER).leaks(everything(found.value))


@pytest.mark.parametrize(
    "say",
    [
        lambda log: log.debug("it is %s", CONSUMER),
        lambda log: log.debug("it", extra={"it": CONSUMER}),
        lambda log: log.debug("it", exc_info=ValueError(CONSUMER)),
    ],
)
def test_log_records_are_searched_whole(say: Callable[[logging.Logger], None]) -> None:
    """Arguments, extras and exceptions."""
    handler = Everything()
    log = logging.Logger("x")  # noqa: LOG001  # nobody else is to have it
    log.addHandler(handler)
    say(log)
    assert Finder(CONSUMER).leaks("\n".join(handler.lines))
