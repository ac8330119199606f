"""What Canvas answered, and the one table from status to error."""

import re
from dataclasses import dataclass
from http import HTTPStatus

from broker.errors import (
    AmbiguousError,
    KeysRejectedError,
    RefreshTokenUnknownError,
    ThrottledError,
    UpstreamError,
)
from broker.failure_kinds import FailureKind, status_kind
from broker.tokens import Kind
from broker.upstream.lifetime import http_date

_SECONDS = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class Answer:
    """One answer, read to its end; it holds tokens, so its representation tells nothing.

    ``sent`` is the monotonic instant just before sending, ``arrived`` the host's Unix seconds
    when the headers came. ``age`` is for how many seconds a cache kept it. The body is read for
    200 and 203 only.
    """

    status: int
    date: str | None
    age: int = 0
    retry_after: str | None
    body: bytes
    sent: float
    arrived: float


def refusal(answer: Answer, kind: Kind, retry_after_max: float) -> UpstreamError | None:
    """Return the error that the status of an answer to a ``kind`` call means; None for 200.

    And for 203, which is a 200 that some proxy has changed (RFC 9110, section 15.3.4).
    A 404 to an authenticate is ambiguous: Canvas documents none, so it says nothing of the keys;
    most likely the base URL is wrong.
    """
    pause = _retry_after(answer, retry_after_max)
    match answer.status, kind:
        case HTTPStatus.OK | HTTPStatus.NON_AUTHORITATIVE_INFORMATION, _:
            return None
        case HTTPStatus.UNAUTHORIZED, _:
            return KeysRejectedError(FailureKind.KEYS_REJECTED)
        case HTTPStatus.NOT_FOUND, Kind.REFRESH:
            return RefreshTokenUnknownError(FailureKind.REFRESH_TOKEN_UNKNOWN)
        case HTTPStatus.TOO_MANY_REQUESTS, _:
            return ThrottledError(FailureKind.THROTTLED, retry_after=pause)
        case HTTPStatus.SERVICE_UNAVAILABLE, _ if pause is not None:
            return ThrottledError(FailureKind.THROTTLED, retry_after=pause)
        case _:
            return AmbiguousError(status_kind(answer.status))


def _retry_after(answer: Answer, most: float) -> float | None:
    """Return the seconds to wait, from 1 to ``most``; None if missing or unreadable.

    A date is read against the answer's own ``Date``: the host's clock may be wrong.
    """
    text = (answer.retry_after or "").strip()
    if _SECONDS.fullmatch(text):
        return _clamp(float(text), most)
    until, now = http_date(text), http_date(answer.date)
    if until is None or now is None:
        return None
    return _clamp(until - now, most)


def _clamp(seconds: float, most: float) -> float:
    return min(max(seconds, 1.0), most)
