"""The flights of one process: at most one per organization, and the requests that wait for it."""

import threading
from collections.abc import Callable

from broker.policy.flight import Flight
from broker.policy.lease import Tools
from broker.policy.organization import Organization
from broker.policy.values import Copy

_TRIES = 3


class Places:
    """How many requests may wait at once, and how many do."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take a place; False if there is none."""
        with self._lock:
            free = self.taken < self.limit
            self.taken += free
        return free

    def give_back(self) -> None:
        """Leave a place."""
        with self._lock:
            self.taken -= 1


class Flights:
    """Starts flights and lets requests wait for them.

    ``places`` bounds how many requests may wait at once; ``ended`` is told of each organization
    whose flight has ended.
    """

    def __init__(self, tools: Tools, places: Places, ended: Callable[[Organization], None]) -> None:
        self._tools = tools
        self._places = places
        self._ended = ended
        self._lock = threading.Lock()
        self._flights: dict[Organization, Flight] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def __contains__(self, organization: Organization) -> bool:
        return organization in self._flights

    def wait(
        self,
        organization: Organization,
        enough: Callable[[Copy | None], bool],
        until: float,
        *,
        force: bool = False,
    ) -> None:
        """Wait for a flight that brings a copy that is ``enough``, up to the instant ``until``.

        All who wait share one flight and its outcome: nobody tries again behind a failed one.
        ``force`` wants an attempt even if none is due. Who finds no place to wait still sees to it
        that a flight is under way.
        """
        may_wait, began = self._places.take(), self._now()
        try:
            for _ in range(_TRIES):
                now = self._now()
                if enough(organization.copy) or now >= until or not organization.may_attempt(now):
                    return
                flight = self.launch(organization, lambda copy: force and not enough(copy))
                if not may_wait or not flight.looked.wait(until - now):
                    return
                if enough(organization.copy) or not flight.done.wait(until - self._now()):
                    return
                if flight.attempted or not organization.store_answers:
                    return
        finally:
            if may_wait:
                self._places.give_back()
                self._tools.observer.waited(organization.name, self._now() - began)

    def launch(self, organization: Organization, wanted: Callable[[Copy | None], bool]) -> Flight:
        """Return the flight under way, or a new one; ``wanted`` as in :class:`Flight`."""
        with self._lock:
            flight = self._flights.get(organization)
            if flight is not None:
                return flight
            flight = Flight(organization, self._tools, wanted)
            self._flights[organization] = flight
        try:
            self._tools.runtime.spawn(lambda: self._fly(organization, flight))
        except Exception as error:  # noqa: BLE001  # invariant 12: no thread now; later, then
            organization.note_crash(self._tools.clock.monotonic())
            self._tools.observer.crashed(organization.name, error)
            self._end(organization, flight)
        return flight

    def _now(self) -> float:
        return self._tools.clock.monotonic()

    def _fly(self, organization: Organization, flight: Flight) -> None:
        try:
            flight.run()
        finally:
            self._end(organization, flight)

    def _end(self, organization: Organization, flight: Flight) -> None:
        with self._lock:
            self._flights.pop(organization, None)
        flight.looked.set()
        flight.done.set()
        self._ended(organization)
