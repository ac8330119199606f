"""From the answer with status 200 to a token pair, or to the error that it amounts to."""

from broker.errors import AmbiguousError, UnusableTokenError, UpstreamError
from broker.secret import Secret
from broker.tokens import RefreshToken, TokenPair
from broker.upstream.answer import Answer
from broker.upstream.kinds import FailureKind
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
    """Return both tokens with their lives in seconds from ``answer.sent``.

    Or AmbiguousError for an answer that gives nothing to keep, UnusableTokenError for one whose
    refresh token can be kept.
    """
    found = read_fields(answer.body)
    if isinstance(found, FailureKind):
        return AmbiguousError(found)
    claims = read_claims(found.access_token.reveal()) if found.access_token else Claims()
    date = http_date(answer.date)
    now = canvas_now(date, claims)
    if now is None:
        return AmbiguousError(FailureKind.NO_CLOCK)
    refresh = _refresh_token(found, now)
    access = _access_token(found, claims, now)
    if isinstance(access, FailureKind):
        return _unusable(access, refresh)
    token, lifetime = access
    skew = None if date is None else answer.arrived - date
    return TokenPair(token, lifetime, refresh, answer.sent, skew)


def _refresh_token(found: Fields, now: float) -> RefreshToken:
    return RefreshToken(found.refresh_token, max(0.0, refresh_lifetime(found.refresh_expires, now)))


def _access_token(found: Fields, claims: Claims, now: float) -> tuple[Secret, float] | FailureKind:
    if found.access_token is None or found.access_expires is None:
        return FailureKind.BAD_ACCESS_TOKEN
    lifetime = access_lifetime(found.access_expires, claims, now)
    if lifetime <= 0:
        return FailureKind.EXPIRED_ON_ARRIVAL
    return found.access_token, lifetime


def _unusable(kind: FailureKind, refresh: RefreshToken) -> UpstreamError:
    """Return the error that keeps the refresh token, if that one is alive."""
    return UnusableTokenError(kind, refresh) if refresh.lifetime > 0 else AmbiguousError(kind)
