"""The words that name a failed attempt in logs, metrics and health: a fixed, small list."""

from enum import StrEnum, unique


@unique
class FailureKind(StrEnum):
    """What went wrong in one call to Canvas; the error's type gives its class."""

    # Definite: nothing was sent.
    DNS = "dns"
    """The host name could not be resolved."""
    CONNECT = "connect"
    """No connection: refused, unreachable, or closed before it stood."""
    CONNECT_TIMEOUT = "connect_timeout"
    """Name resolution, connection or TLS took too long."""
    TLS = "tls"
    """The TLS handshake failed, or the certificate did not verify."""
    PROXY = "proxy"
    """The proxy could not be used, or refused to connect to Canvas."""
    NO_THREAD = "no_thread"
    """This host would not start another thread."""

    # Definite: Canvas did no work.
    THROTTLED = "throttled"
    """429, or 503 with ``Retry-After``."""

    # Rejected.
    KEYS_REJECTED = "keys_rejected"
    """401."""
    REFRESH_TOKEN_UNKNOWN = "refresh_token_unknown"  # noqa: S105 - a word, not a token
    """404 to a refresh."""

    # Ambiguous: sent, and no answer that can be read.
    TIMEOUT = "timeout"
    """The whole answer had not arrived by the deadline."""
    RESET = "reset"
    """The connection broke."""
    CLOSED = "closed"
    """The connection was closed without an answer."""
    TRUNCATED = "truncated"
    """The body ended before its announced length."""
    OVERSIZE = "oversize"
    """The body, also when it is decoded, or the head is longer than allowed."""
    ENCODING = "encoding"
    """The body's encoding is not known here, or is not what it is said to be."""
    PROTOCOL = "protocol"
    """What came back is not HTTP."""

    # Ambiguous: answered, but not with a token pair.
    UNREADABLE = "unreadable"
    """The body is not JSON."""
    BAD_ANSWER = "bad_answer"
    """JSON with nothing usable in it."""
    NO_CLOCK = "no_clock"
    """Neither ``Date`` nor ``iat``: how long the tokens live cannot be known."""
    STATUS_404 = "status_404"
    """404 to an authenticate: not a rejection, Canvas documents none."""
    STATUS_500 = "status_500"
    STATUS_502 = "status_502"
    STATUS_503 = "status_503"
    """503 without a readable ``Retry-After``."""
    STATUS_504 = "status_504"
    STATUS_1XX = "status_1xx"
    STATUS_2XX = "status_2xx"
    STATUS_3XX = "status_3xx"
    """A redirect; none is followed."""
    STATUS_4XX = "status_4xx"
    STATUS_5XX = "status_5xx"
    STATUS_OTHER = "status_other"

    # Ambiguous, with a refresh token that is good.
    BAD_ACCESS_TOKEN = "bad_access_token"  # noqa: S105 - a word, not a token
    """The access token is missing or malformed, or its expiry cannot be known."""
    EXPIRED_ON_ARRIVAL = "expired_on_arrival"
    """The access token's life was over when it came."""


_WORDS = frozenset(FailureKind)
POLICY_KINDS = frozenset(
    {"crashed", "held_back", "lease_too_short", "repeated_token", "short_life", "superseded"}
)
"""What the policy itself calls a failure."""
UNKNOWN = "unknown"
"""Stands for a word in Redis that this version does not know."""


def known_kind(word: str) -> str:
    """Return ``word`` if it is one of the list, else :data:`UNKNOWN`."""
    return word if word in _WORDS or word in POLICY_KINDS else UNKNOWN


def status_kind(status: int) -> FailureKind:
    """Return the word for a status that is neither success nor a refusal Canvas documents."""
    for word in (f"status_{status}", f"status_{status // 100}xx"):
        if word in _WORDS:
            return FailureKind(word)
    return FailureKind.STATUS_OTHER
