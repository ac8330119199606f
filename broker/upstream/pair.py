"""From the answer with status 200 to a token pair, or to the error that it amounts to."""

from broker.errors import AmbiguousError, UnusableTokenError, UpstreamError
from broker.failure_kinds import FailureKind
from broker.secret import Secret
from broker.tokens import Flaw, RefreshToken, TokenPair
from broker.upstream.answer import Answer
from broker.upstream.lifetime import (
    Claims,
    access_lifetime,
    canvas_now,
    http_date,
    read_claims,
    refresh_lifetime,
)
from broker.upstream.schema import Fields, read_fields


def read_pair(answer: Answer) -> TokenPair | UpstreamError:
    """Return the tokens with their lives in seconds from ``answer.sent``.

    The refresh token is left out where it cannot be used. What came from a cache may have come to
    others as well, so its refresh token counts as presented.

    Or AmbiguousError for an answer that gives nothing to keep, UnusableTokenError for one whose
    refresh token can be kept.
    """
    found = read_fields(answer.body)
    if isinstance(found, FailureKind):
        return AmbiguousError(found)
    claims = read_claims(found.access_token.reveal()) if found.access_token else Claims()
    date = http_date(answer.date)
    now = canvas_now(date, claims, answer.age)
    if now is None:
        return AmbiguousError(FailureKind.NO_CLOCK)
    refresh, flaws = _refresh_token(found, now), found.flaws
    if answer.age:
        refresh, flaws = None, flaws | {Flaw.FROM_CACHE}
    elif refresh is not None and refresh.lifetime <= 0:
        refresh, flaws = None, flaws | {Flaw.REFRESH_TOKEN_EXPIRED}
    access = _access_token(found, claims, now)
    if isinstance(access, FailureKind):
        return _unusable(access, refresh)
    token, lifetime = access
    skew = None if date is None else answer.arrived - date - answer.age
    return TokenPair(token, lifetime, refresh, answer.sent, skew, flaws)


def _refresh_token(found: Fields, now: float) -> RefreshToken | None:
    if found.refresh_token is None or found.refresh_expires is None:
        return None
    return RefreshToken(found.refresh_token, refresh_lifetime(found.refresh_expires, now))


def _access_token(found: Fields, claims: Claims, now: float) -> tuple[Secret, float] | FailureKind:
    lifetime = access_lifetime(found.access_expires, claims, now)
    if found.access_token is None or lifetime is None:
        return FailureKind.BAD_ACCESS_TOKEN
    if lifetime <= 0:
        return FailureKind.EXPIRED_ON_ARRIVAL
    return found.access_token, lifetime


def _unusable(kind: FailureKind, refresh: RefreshToken | None) -> UpstreamError:
    """Return the error that keeps the refresh token, if there is one."""
    if refresh is not None:
        return UnusableTokenError(kind, refresh)
    return AmbiguousError(FailureKind.BAD_ANSWER if kind is FailureKind.BAD_ACCESS_TOKEN else kind)
