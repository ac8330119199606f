"""Answers look as the vendor's documented examples do."""

import base64
import hashlib
import hmac
import json

import pytest

from broker.emulator.minting import Answer, Utc, sign, timestamp, whole_seconds
from tests.emulator.support import NOW


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (NOW, "2022-04-27T14:01:21.9458102+00:00"),
        (1651068081, "2022-04-27T14:01:21.0000000+00:00"),
        (1651068081.00001, "2022-04-27T14:01:21.0000100+00:00"),
        (1651068081.99999999, "2022-04-27T14:01:22.0000000+00:00"),
    ],
)
def test_a_time_has_seven_fractional_digits_and_an_offset(seconds: float, shown: str) -> None:
    """Trailing zeros are kept, and rounding carries into the seconds."""
    assert timestamp(seconds)[:26] == shown[:26]
    assert len(timestamp(seconds)) == len(shown)
    assert timestamp(seconds).endswith("+00:00")


@pytest.mark.parametrize(
    ("seconds", "digits", "drop_zeros", "utc", "shown"),
    [
        (NOW, 0, False, Utc.OFFSET, "2022-04-27T14:01:21+00:00"),
        (NOW, 3, False, Utc.Z, "2022-04-27T14:01:21.945Z"),
        (1651068081.25, 9, False, Utc.Z, "2022-04-27T14:01:21.250000000Z"),
        (1651068081.25, 9, True, Utc.OFFSET, "2022-04-27T14:01:21.25+00:00"),
        (1651068081.5, 7, True, Utc.Z, "2022-04-27T14:01:21.5Z"),
        (1651068081.0, 7, True, Utc.OFFSET, "2022-04-27T14:01:21+00:00"),
        (1651068081.99999999, 2, False, Utc.Z, "2022-04-27T14:01:22.00Z"),
    ],
)
def test_a_time_may_have_other_forms(
    seconds: float, digits: int, drop_zeros: bool, utc: Utc, shown: str
) -> None:
    """Cut, never rounded up: it is not later than the JWT's own expiry."""
    assert timestamp(seconds, digits=digits, drop_zeros=drop_zeros, utc=utc) == shown


@pytest.mark.parametrize("seconds", [NOW, 1651068081.0, 1651068081.99999999])
def test_whole_seconds_are_the_shown_time_cut(seconds: float) -> None:
    """The cut agrees with what is shown, also where the fraction rounds up."""
    assert timestamp(whole_seconds(seconds))[:19] == timestamp(seconds)[:19]


def test_a_token_is_signed_with_hs256() -> None:
    """Header, claims and signature are those of a JWT, without padding."""
    token = sign({"jti": "x"}, b"key")
    signed, _, signature = token.rpartition(".")
    expected = hmac.new(b"key", signed.encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64decode(signature + "=") == expected
    assert signature[-1] != "="
    assert token.startswith("eyJhbGciOiJIUzI1NiIs")


def test_the_document_has_the_four_documented_fields() -> None:
    """The prefix is inside the value, and the names are the vendor's."""
    document = Answer("a.b.c", NOW + 899, "0" * 32, NOW + 86400).document()
    assert list(document) == [
        "access_token",
        "accessTokenExpiresDateTime",
        "refresh_token",
        "refreshTokenExpiresDateTime",
    ]
    assert document["access_token"] == "Bearer a.b.c"
    assert json.loads(json.dumps(document)) == document


def test_an_answer_does_not_show_its_tokens() -> None:
    """Its repr is fit for a log."""
    shown = repr(Answer("secret-access", 1.0, "secret-refresh", 2.0))
    assert "secret" not in shown
