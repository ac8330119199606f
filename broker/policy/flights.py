"""The flights of one process: at most one per organization, and the requests that wait for it."""

import threading
from collections.abc import Callable

from broker.policy.flight import Flight
from broker.policy.lease import Tools
from broker.policy.organization import Organization
from broker.policy.values import Copy

AT_ONCE = 32
"""Flights at once beyond which none is begun that nobody waits for.

It is fewer than a process has threads for, so that a caller's own flight need not wait until a
thousand organizations have been looked at, nor until Canvas has let go of those that hang.
"""
_TRIES = 3


def _nothing_more(copy: Copy | None) -> bool:
    del copy
    return False


def _nothing() -> None:
    pass


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

    ``places`` bounds how many requests may wait at once; ``take_due`` gives at most so many
    organizations whose time has come; ``ended`` is told of each whose flight has ended.
    """

    def __init__(
        self,
        tools: Tools,
        places: Places,
        take_due: Callable[[int], list[Organization]],
        ended: Callable[[Organization], None],
    ) -> None:
        self._tools = tools
        self._places = places
        self._take_due = take_due
        self._ended = ended
        self._lock = threading.Lock()
        self._launching = threading.Lock()
        self._stopped = False
        self._flights: dict[Organization, Flight] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def __contains__(self, organization: Organization) -> bool:
        return organization in self._flights

    def launch_due(self) -> None:
        """Begin flights that nobody waits for, up to :data:`AT_ONCE`; as each ends, the next.

        Who finds another thread at it leaves it to that one, or to the next tick.
        """
        if not self._launching.acquire(blocking=False):
            return
        try:
            while not self._stopped and (due := self._take_due(AT_ONCE - len(self._flights))):
                for organization in due:
                    self.launch(organization, _nothing_more, self.launch_due)
        finally:
            self._launching.release()

    def stop(self) -> None:
        """Begin no more flights that nobody waits for; those under way end as they would."""
        self._stopped = True

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

    def launch(
        self,
        organization: Organization,
        wanted: Callable[[Copy | None], bool],
        afterwards: Callable[[], None] = _nothing,
    ) -> Flight:
        """Return the flight under way, or a new one; ``wanted`` as in :class:`Flight`."""
        with self._lock:
            flight = self._flights.get(organization)
            if flight is not None:
                return flight
            flight = Flight(organization, self._tools, wanted)
            self._flights[organization] = flight
        try:
            self._tools.runtime.spawn(lambda: self._fly(organization, flight, afterwards))
        except Exception as error:  # noqa: BLE001  # invariant 12: no thread now; later, then
            organization.note_crash(self._tools.clock.monotonic())
            self._tools.observer.crashed(organization.name, error)
            self._end(organization, flight)
        return flight

    def _now(self) -> float:
        return self._tools.clock.monotonic()

    def _fly(
        self, organization: Organization, flight: Flight, afterwards: Callable[[], None]
    ) -> None:
        try:
            flight.run()
        finally:
            self._end(organization, flight)
            afterwards()

    def _end(self, organization: Organization, flight: Flight) -> None:
        with self._lock:
            self._flights.pop(organization, None)
        flight.looked.set()
        flight.done.set()
        self._ended(organization)
