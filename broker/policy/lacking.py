"""Flights that callers wait for, while they lack a permit to call Canvas."""

from collections.abc import Callable
from typing import NamedTuple

from broker.policy.calls import Calls, is_slow
from broker.policy.flight import Flight
from broker.policy.organization import Organization


class _Lacking(NamedTuple):
    flight: Flight
    begin: Callable[[], None]


class LackingFlights:
    """They hold no thread meanwhile; whoever comes waits for them as for any other."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._flights: dict[Organization, _Lacking] = {}

    def __len__(self) -> int:
        return len(self._flights)

    @property
    def organizations(self) -> frozenset[Organization]:
        """Whose flights these are."""
        return frozenset(self._flights)

    def add(self, organization: Organization, flight: Flight, begin: Callable[[], None]) -> None:
        """Keep a flight that has come back; ``begin`` lets it run again."""
        self._flights[organization] = _Lacking(flight, begin)

    def resume(self) -> None:
        """Let those go on for which there is a permit, the longest that wait first."""
        for organization, (flight, begin) in list(self._flights.items()):
            flight.permit = self._calls.take(slow=is_slow(organization.pause))
            if flight.permit is not None:
                del self._flights[organization]
                begin()

    def drop(self) -> dict[Organization, Flight]:
        """Keep none any more; return them."""
        dropped, self._flights = self._flights, {}
        return {organization: one.flight for organization, one in dropped.items()}
