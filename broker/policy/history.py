"""What happened to an organization's token last, for people who look at it."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import inf, isnan, nan
from typing import TYPE_CHECKING, TypeAlias

from broker.errors import UpstreamError
from broker.tokens import Flaw, Kind

if TYPE_CHECKING:
    from broker.errors import FailureClass

REMEMBERED = 20
SUCCESS = "success"
ELSEWHERE = "elsewhere"
DAMAGE_TOLD_S = 600.0
"""Seconds for which health tells of damage in Redis: it is mended, and somebody wrote it."""

_What: TypeAlias = tuple[str, str, str | None]


@dataclass(frozen=True, slots=True)
class Event:
    """One upstream call of this process, or a token that another process got.

    ``at`` is the seconds since. ``kind`` is a :class:`~broker.tokens.Kind` or ``elsewhere``,
    ``outcome`` a :class:`~broker.errors.FailureClass` or ``success``, ``error`` the kind of a
    failure.
    """

    at: float
    kind: str
    seconds: float | None
    outcome: str
    error: str | None = None


class History:
    """The last events of one organization in this process.

    Kept as numbers and shared words: events would be three kilobytes for each organization.
    """

    __slots__ = ("_damaged", "_flaws", "_seen")

    def __init__(self) -> None:
        # Instant and length of each in turn, and what it was; replaced together.
        self._seen: tuple[array[float], tuple[_What, ...]] = array("d"), ()
        self._flaws: frozenset[Flaw] = frozenset()
        self._damaged = -inf

    def succeeded(self, at: float, kind: Kind, seconds: float) -> None:
        """Note that Canvas gave a token pair here."""
        self._remember(at, seconds, _what(kind, SUCCESS, None))

    def flawed(self, flaws: frozenset[Flaw]) -> frozenset[Flaw]:
        """Note the flaws of an answer that Canvas gave here; return those of the one before."""
        before, self._flaws = self._flaws, flaws
        return before

    def damaged(self, at: float) -> None:
        """Note that something was found in Redis that no broker writes."""
        self._damaged = at

    def damage_age(self, now: float) -> float | None:
        """Return the seconds since; None where there was nothing for :data:`DAMAGE_TOLD_S`."""
        age = now - self._damaged
        return age if age < DAMAGE_TOLD_S else None

    def failed(self, at: float, kind: Kind, seconds: float, error: UpstreamError) -> None:
        """Note a failed upstream call."""
        outcome: FailureClass = error.failure
        self._remember(at, seconds, _what(kind, outcome, error.kind))

    def adopted(self, minted: float) -> None:
        """Note a token that another process got."""
        self._remember(minted, nan, _what(ELSEWHERE, SUCCESS, None))

    def _remember(self, at: float, seconds: float, what: _What) -> None:
        times, whats = self._seen
        whats = (*whats, what)[-REMEMBERED:]
        self._seen = array("d", (*times, at, seconds)[-2 * len(whats) :]), whats

    def failure_age(self, now: float) -> float | None:
        """Return the seconds since the last failed call; None where none is remembered."""
        times, whats = self._seen
        called = zip(times[::2], whats, strict=True)
        return min((now - at for at, (_, outcome, _) in called if outcome != SUCCESS), default=None)

    def recent(self, now: float) -> Iterator[Event]:
        """Yield the events, newest first, by the seconds since."""
        times, whats = self._seen
        events = zip(times[::2], times[1::2], whats, strict=True)
        for at, seconds, (kind, outcome, error) in sorted(
            events, key=lambda one: one[0], reverse=True
        ):
            yield Event(now - at, kind, None if isnan(seconds) else seconds, outcome, error)


@lru_cache(maxsize=256)
def _what(kind: str, outcome: str, error: str | None) -> _What:
    return kind, outcome, error
