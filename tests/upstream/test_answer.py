from email.utils import formatdate

import pytest

from broker.errors import (
    AmbiguousError,
    KeysRejectedError,
    RefreshTokenUnknownError,
    ThrottledError,
    UpstreamError,
)
from broker.tokens import Kind
from broker.upstream.answer import refusal
from tests.upstream.samples import NOW, answer

LATER = formatdate(NOW + 40, usegmt=True)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("status", [200, 203])
def test_200_is_no_refusal(kind: Kind, status: int) -> None:
    """Only the body can say whether a 200 is good; a proxy that changed it makes it a 203."""
    assert refusal(answer(status), kind, 300) is None


@pytest.mark.parametrize(
    ("status", "kind", "error", "word"),
    [
        (401, Kind.AUTHENTICATE, KeysRejectedError, "keys_rejected"),
        (401, Kind.REFRESH, KeysRejectedError, "keys_rejected"),
        (404, Kind.REFRESH, RefreshTokenUnknownError, "refresh_token_unknown"),
        (404, Kind.AUTHENTICATE, AmbiguousError, "status_404"),
        (429, Kind.REFRESH, ThrottledError, "throttled"),
        (503, Kind.REFRESH, AmbiguousError, "status_503"),
        (500, Kind.REFRESH, AmbiguousError, "status_500"),
        (502, Kind.AUTHENTICATE, AmbiguousError, "status_502"),
        (504, Kind.REFRESH, AmbiguousError, "status_504"),
        (400, Kind.REFRESH, AmbiguousError, "status_4xx"),
        (403, Kind.AUTHENTICATE, AmbiguousError, "status_4xx"),
        (307, Kind.REFRESH, AmbiguousError, "status_3xx"),
        (201, Kind.REFRESH, AmbiguousError, "status_2xx"),
        (204, Kind.REFRESH, AmbiguousError, "status_2xx"),
        (101, Kind.REFRESH, AmbiguousError, "status_1xx"),
    ],
)
def test_a_status_becomes_one_class_of_error(
    status: int, kind: Kind, error: type[UpstreamError], word: str
) -> None:
    """Only what Canvas documents is a rejection; a passing fault never is."""
    found = refusal(answer(status), kind, 300)
    assert type(found) is error
    assert found.kind == word


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("0", 1),
        ("301", 300),
        ("9" * 5000, 300),
        (LATER, 40),
        (formatdate(NOW - 40, usegmt=True), 1),
        (formatdate(NOW + 4000, usegmt=True), 300),
    ],
)
def test_a_pause_is_taken_over_within_bounds(status: int, text: str, seconds: float) -> None:
    """Retry-After counts in seconds or as a date, from 1 to the most that is allowed."""
    found = refusal(answer(status, retry_after=text), Kind.REFRESH, 300)
    assert isinstance(found, ThrottledError)
    assert found.retry_after == seconds


def test_a_pause_until_a_date_ignores_the_hosts_clock() -> None:
    """The date is read against the answer's own Date, though the host is ten minutes off."""
    found = refusal(answer(429, retry_after=LATER, arrived=NOW + 600), Kind.REFRESH, 300)
    assert found is not None
    assert found.retry_after == 40


@pytest.mark.parametrize("text", [None, "", "soon", "-5", "1.5", "\u0667", "7, 9"])
def test_an_unreadable_pause_is_none(text: str | None) -> None:
    """Without a readable pause a 429 is still definite, and a 503 is not."""
    throttled = refusal(answer(429, retry_after=text), Kind.REFRESH, 300)
    assert isinstance(throttled, ThrottledError)
    assert throttled.retry_after is None
    assert isinstance(refusal(answer(503, retry_after=text), Kind.REFRESH, 300), AmbiguousError)


def test_a_pause_until_a_date_needs_the_answers_date() -> None:
    """Without a Date header there is no clock to read the date against."""
    found = refusal(answer(503, retry_after=LATER, date=None), Kind.REFRESH, 300)
    assert isinstance(found, AmbiguousError)


def test_a_pause_beside_another_status_changes_nothing() -> None:
    """Retry-After on a 500 does not make it definite."""
    found = refusal(answer(500, retry_after="7"), Kind.REFRESH, 300)
    assert isinstance(found, AmbiguousError)
    assert found.retry_after is None


def test_an_answer_does_not_show_itself() -> None:
    """The body holds tokens, so the representation has none of it."""
    assert "Bearer" not in repr(answer(content=b"Bearer"))
