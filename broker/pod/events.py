"""The last events of an organization, of all workers, each told once."""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable
from operator import attrgetter

from broker.policy.history import ELSEWHERE, REMEMBERED, SUCCESS, Event

TOLERANCE = 1.0
"""Seconds by which two workers may differ in when a token was minted."""
_AGE = attrgetter("at")


def join(histories: Iterable[Iterable[Event]]) -> tuple[Event, ...]:
    """Return the events of all, newest first, at most as many as one worker remembers.

    ``at`` is the seconds since. A token from elsewhere is left out where a sibling is that
    elsewhere, and told once where several heard of it.
    """
    events = sorted((one for history in histories for one in history), key=_AGE)
    own = _Own([one for one in events if one.kind != ELSEWHERE and one.outcome == SUCCESS])
    kept: list[Event] = []
    heard = float("-inf")
    for event in events:
        if event.kind == ELSEWHERE:
            if event.at - heard <= TOLERANCE or own.holds(event):
                continue
            heard = event.at
        kept.append(event)
        if len(kept) == REMEMBERED:
            break
    return tuple(kept)


class _Own:
    """The tokens that workers of this pod got themselves, newest first."""

    def __init__(self, events: Collection[Event]) -> None:
        self._events = list(events)
        self._ages = [one.at for one in events]
        self._longest = max((one.seconds or 0.0 for one in events), default=0.0) + TOLERANCE

    def holds(self, heard: Event) -> bool:
        """Tell whether this is one of them: minted when the call began, told when it had ended."""
        first = bisect_left(self._ages, heard.at - self._longest)
        last = bisect_right(self._ages, heard.at + TOLERANCE)
        near = self._events[first:last]
        return any(heard.at - one.at <= (one.seconds or 0.0) + TOLERANCE for one in near)
