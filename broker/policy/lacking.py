"""Flights that callers wait for, while they lack a permit to call Canvas."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from broker.observer import Crashed
from broker.policy.calls import is_slow
from broker.policy.flight import Flight
from broker.policy.lease import Tools
from broker.policy.organization import Organization

SOON = 0.2
"""Seconds; what is longer is left to the refresher's ticks."""


class _Lacking(NamedTuple):
    flight: Flight
    begin: Callable[[], None]


class LackingFlights:
    """They hold no thread meanwhile; whoever comes waits for them as for any other."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._flights: dict[Organization, _Lacking] = {}
        self._waits = False

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
                or organization.must_look
                or feed.is_old(organization, now, limits)
            ):
                self._flights.pop(organization, None)
                begin()

    def ask(self, in_line: int, came: Callable[[], None]) -> None:
        """Ask for permits for these, and for others ``in_line``; ``came`` is called if more came.

        A thread of the pool does it: Redis may hang. Where it is too early by less than a tick,
        ``came`` is called at the time: who calls it asks again.
        """
        calls, wanted = self._tools.calls, self.wanted
        early = calls.ask_at - self._tools.clock.monotonic()
        question = calls.question(wanted, in_line)

        def ask() -> None:
            if question and question():
                came()

        def wait() -> None:
            self._tools.clock.sleep(early)
            self._waits = False
            came()

        if question is not None:
            self._spawn(ask)
        elif 0 < early < SOON and wanted + in_line > calls.ready and not self._waits:
            self._waits = True
            self._spawn(wait)

    def _spawn(self, work: Callable[[], None]) -> None:
        def survive() -> None:
            with self._surviving():
                work()

        with self._surviving():
            self._tools.runtime.spawn_question(survive)

    @contextmanager
    def _surviving(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001  # invariant 12: asked again later
            self._waits = False
            self._tools.observer.handle(Crashed("*", error))

    def drop(self) -> dict[Organization, Flight]:
        """Keep none any more; return them."""
        dropped, self._flights = self._flights, {}
        return {organization: one.flight for organization, one in dropped.items()}
