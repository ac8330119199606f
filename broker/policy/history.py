"""What happened to an organization's token last, for people who look at it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broker.errors import UpstreamError
from broker.tokens import Kind

if TYPE_CHECKING:
    from broker.errors import FailureClass

REMEMBERED = 20
SUCCESS = "success"
ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True)
class Event:
    """One upstream call of this process, or a token that another process got.

    ``at`` is a monotonic instant in :class:`History`, and in health the seconds since. ``kind`` is
    a :class:`~broker.tokens.Kind` or ``elsewhere``, ``outcome`` a
    :class:`~broker.errors.FailureClass` or ``success``, ``error`` the kind of a failure.
    """

    at: float
    kind: str
    seconds: float | None
    outcome: str
    error: str | None = None


class History:
    """The last events of one organization in this process."""

    def __init__(self) -> None:
        self._events: tuple[Event, ...] = ()

    def succeeded(self, at: float, kind: Kind, seconds: float) -> None:
        """Note that Canvas gave a token pair here."""
        self._remember(Event(at, kind, seconds, SUCCESS))

    def failed(self, at: float, kind: Kind, seconds: float, error: UpstreamError) -> None:
        """Note a failed upstream call."""
        outcome: FailureClass = error.failure
        self._remember(Event(at, kind, seconds, outcome, error.kind))

    def adopted(self, minted: float) -> None:
        """Note a token that another process got."""
        self._remember(Event(minted, ELSEWHERE, None, SUCCESS))

    def _remember(self, event: Event) -> None:
        self._events = (*self._events, event)[-REMEMBERED:]

    def recent(self, now: float) -> Iterator[Event]:
        """Yield the events, newest first, by the seconds since."""
        for event in sorted(self._events, key=lambda one: one.at, reverse=True):
            yield Event(now - event.at, event.kind, event.seconds, event.outcome, event.error)
