"""Tokens, records and the states derived from them: immutable values, no input or output."""

from dataclasses import dataclass
from enum import StrEnum

from broker.limits import Limits
from broker.secret import Secret

_FLOOR_SHARE = 0.75


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


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token and its life in seconds, counted from when its request was sent."""

    value: Secret
    lifetime: float


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What one upstream answer gives; both tokens come from the same answer.

    ``lifetime`` counts seconds from ``sent``, the monotonic instant the request was sent.
    ``skew`` is the host's clock minus Canvas's in seconds, where the answer showed it.
    """

    access_token: Secret
    lifetime: float
    refresh: RefreshToken
    sent: float
    skew: float | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """What is stored of a token pair. Times are Unix seconds by Redis's clock.

    ``generation`` grows with each commit. The same pair may have been served before its commit
    landed, under generations from ``provisional`` on.
    """

    generation: int
    provisional: int
    access_token: Secret
    lifetime: float
    expires_at: float
    margin: float
    refresh_token: Secret
    refresh_expires_at: float

    def names(self, generation: int) -> bool:
        """Tell whether a token served under ``generation`` was this one."""
        return self.provisional <= generation <= self.generation


@dataclass(frozen=True, slots=True)
class Spare:
    """A refresh token whose access token was unusable; ``expires_at`` as in :class:`Record`."""

    refresh_token: Secret
    expires_at: float


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
    if remaining <= floor_of(margin, limits):
        return State.CRITICAL
    if remaining <= margin:
        return State.STALE
    return State.FRESH
