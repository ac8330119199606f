"""Tokens, records and the states derived from them: immutable values, no input or output."""

from dataclasses import dataclass
from enum import StrEnum, unique

from broker.limits import Limits
from broker.secret import Secret

_FLOOR_SHARE = 0.75
_KEPT = 43200.0


class State(StrEnum):
    """How good the current token is (``refresh-protocol.md``, "States")."""

    FRESH = "fresh"
    """Served; nobody talks to Canvas."""
    STALE = "stale"
    """Served at once; somebody refreshes in the background."""
    CRITICAL = "critical"
    """Served after a short wait for the refresh in flight."""
    EMPTY = "empty"
    """Not served: there is none, or it is about to die."""


class Kind(StrEnum):
    """The two calls that Canvas offers."""

    AUTHENTICATE = "authenticate"
    REFRESH = "refresh"


@unique
class Flaw(StrEnum):
    """What is wrong with an answer whose access token is good: a fixed, small list."""

    NO_PREFIX = "no_prefix"
    """The access token came without ``Bearer`` before it."""
    NO_ACCESS_EXPIRY = "no_access_expiry"
    """Its expiry is missing or null; the JWT's ``exp`` counts."""
    BAD_ACCESS_EXPIRY = "bad_access_expiry"
    """Its expiry is no instant with an offset; the JWT's ``exp`` counts."""
    NO_REFRESH_TOKEN = "no_refresh_token"  # noqa: S105 - a word, not a token
    """The refresh token is missing or null."""
    BAD_REFRESH_TOKEN = "bad_refresh_token"  # noqa: S105 - a word, not a token
    """The refresh token is nothing that could be presented."""
    NO_REFRESH_EXPIRY = "no_refresh_expiry"
    """The refresh token's expiry is missing or null."""
    BAD_REFRESH_EXPIRY = "bad_refresh_expiry"
    """The refresh token's expiry is no instant with an offset."""
    REFRESH_TOKEN_EXPIRED = "refresh_token_expired"  # noqa: S105 - a word, not a token
    """The refresh token's life was over when it came."""
    FROM_CACHE = "from_cache"
    """A cache gave an old answer, and said so by ``Age`` (RFC 9111, section 5.1)."""


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token and its life in seconds, counted from when its request was sent."""

    value: Secret
    lifetime: float


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What one upstream answer gives; both tokens come from the same answer.

    ``lifetime`` counts seconds from ``sent``, the monotonic instant the request was sent.
    ``refresh`` is None where the answer held no refresh token that can be used; ``flaws`` says
    why, and what else was wrong with it.
    ``skew`` is the host's clock minus Canvas's in seconds, where the answer showed it.
    """

    access_token: Secret
    lifetime: float
    refresh: RefreshToken | None
    sent: float
    skew: float | None = None
    flaws: frozenset[Flaw] = frozenset()


@dataclass(frozen=True, slots=True)
class Stamp:
    """The time when a record was handed to Redis, in Unix seconds by two clocks.

    ``redis`` is what Redis's clock shows as far as the writer knows, ``host`` what its host's does.
    """

    redis: float
    host: float

    @property
    def host_ahead(self) -> float:
        """Return the seconds by which the host's clock was ahead of Redis's."""
        return self.host - self.redis


@dataclass(frozen=True, slots=True)
class Record:
    """What is stored of a token pair. Times are Unix seconds by Redis's clock.

    ``generation`` grows with each commit. The same pair may have been served before its commit
    landed, under generations from ``provisional`` on. ``refresh_token`` and its expiry are None
    together; ``flaws`` are those of the answer that gave the pair.
    ``stamp`` tells a process that starts whether one of the clocks was set since; records of
    earlier versions have none.
    """

    generation: int
    provisional: int
    access_token: Secret
    lifetime: float
    expires_at: float
    margin: float
    refresh_token: Secret | None
    refresh_expires_at: float | None
    flaws: frozenset[Flaw] = frozenset()
    stamp: Stamp | None = None

    @property
    def ends_at(self) -> float:
        """Return until when it is kept: while its refresh token lives, and at least half a day.

        The half day begins at the end of its access token. Generations must not begin anew while
        some process remembers a higher one.
        """
        return max(self.expires_at + _KEPT, self.refresh_expires_at or 0.0)

    def names(self, generation: int) -> bool:
        """Tell whether a token served under ``generation`` was this one."""
        return self.provisional <= generation <= self.generation


@dataclass(frozen=True, slots=True)
class Spare:
    """A refresh token whose access token was unusable; ``expires_at`` as in :class:`Record`.

    ``generation`` is the one beside whose record it is kept; None where its writer did not say.
    """

    refresh_token: Secret
    expires_at: float
    generation: int | None = None

    def is_beside(self, generation: int) -> bool:
        """Tell whether it belongs beside the record of ``generation``, and is no earlier one."""
        return self.generation in {None, generation}


def draw_margin(lifetime: float, spread: float, limits: Limits) -> float:
    """Return the seconds before expiry at which a token of ``lifetime`` turns stale.

    ``spread`` is drawn once per commit, from 0.9 to 1.1, so that a fleet does not move in step.
    """
    third = min(max(lifetime / 3, limits.margin_min), limits.margin_max)
    return min(third * spread, lifetime / 2)


def floor_of(margin: float, limits: Limits) -> float:
    """Return the remaining life at which callers begin to wait for the refresh in flight.

    ``limits.floor``, but below the margin also of tokens so short that the margin is half their
    life: their refresh too begins before anybody waits for it.
    """
    return min(limits.floor, _FLOOR_SHARE * margin)


def state_of(remaining: float, margin: float, limits: Limits) -> State:
    """Return the state of a token with ``remaining`` seconds to live."""
    if remaining <= limits.dead:
        return State.EMPTY
    if remaining > margin:
        return State.FRESH
    return State.CRITICAL if remaining <= floor_of(margin, limits) else State.STALE
