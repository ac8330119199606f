"""Flights that callers wait for, while they lack a permit to call Canvas."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from broker.observer import Crashed
from broker.policy.calls import is_slow
from broker.policy.flight import Flight
from broker.policy.lease import Tools
from broker.policy.organization import Organization


class _Lacking(NamedTuple):
    flight: Flight
    begin: Callable[[], None]


class LackingFlights:
    """They hold no thread meanwhile; whoever comes waits for them as for any other."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._flights: dict[Organization, _Lacking] = {}

    @property
    def organizations(self) -> frozenset[Organization]:
        """Whose flights these are."""
        return frozenset(self._flights)

    @property
    def wanted(self) -> int:
        """How many permits could be used: for calls that hung, no more than there may be."""
        slow = sum(is_slow(one.pause) for one in self.organizations)
        return len(self._flights) - slow + min(slow, self._tools.calls.slow_room)

    def add(self, organization: Organization, flight: Flight, begin: Callable[[], None]) -> None:
        """Keep a flight that has come back; ``begin`` lets it run again."""
        self._flights[organization] = _Lacking(flight, begin)

    def resume(self) -> None:
        """Let those go on for which there is a permit, the longest that wait first.

        Those as well that have to look: another worker may have got the token.
        """
        calls, feed, limits = self._tools.calls, self._tools.feed, self._tools.limits
        for organization, (flight, begin) in list(self._flights.items()):
            flight.permit = calls.take(slow=is_slow(organization.pause))
            now = self._tools.clock.monotonic()
            if (
                flight.permit is not None
                or organization.unsettled
                or feed.is_old(organization, now, limits)
            ):
                self._flights.pop(organization, None)
                begin()

    def ask(self, in_line: int, came: Callable[[], None]) -> None:
        """Ask for permits for these, and for others ``in_line``; ``came`` is called if more came.

        A thread of the pool does it: Redis may hang.
        """
        question = self._tools.calls.question(self.wanted, in_line)

        def work() -> None:
            with self._surviving():
                if question and question():
                    came()

        if question is not None:
            with self._surviving():
                self._tools.runtime.spawn_question(work)

    @contextmanager
    def _surviving(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001  # invariant 12: asked again later
            self._tools.observer.handle(Crashed("*", error))

    def drop(self) -> dict[Organization, Flight]:
        """Keep none any more; return them."""
        dropped, self._flights = self._flights, {}
        return {organization: one.flight for organization, one in dropped.items()}
