"""Flights that callers wait for, while they lack a permit to call Canvas."""

from collections.abc import Callable
from typing import NamedTuple

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

    def drop(self) -> dict[Organization, Flight]:
        """Keep none any more; return them."""
        dropped, self._flights = self._flights, {}
        return {organization: one.flight for organization, one in dropped.items()}
