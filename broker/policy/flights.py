"""The flights of one process: at most one per organization, and the requests that wait for it."""

import threading
from collections.abc import Callable
from functools import partial
from typing import NoReturn

from broker.observer import Crashed, Waited, WaitRefused
from broker.policy.calls import is_slow, wants_call
from broker.policy.flight import Flight
from broker.policy.lacking import LackingFlights
from broker.policy.lease import Tools
from broker.policy.organization import Organization
from broker.policy.places import Places, Waiter
from broker.policy.room import nothing_more, room
from broker.policy.schedule import Schedule
from broker.policy.values import Copy
from broker.ports import Answer, RecordStores, Signal

_TRIES = 4
"""Flights that one request waits for at most: a sweep, what it led to, another's, its own."""


def _fail(error: Exception) -> NoReturn:
    raise error


class Flights:
    """Starts flights and lets requests wait for them.

    ``places`` bounds how many requests may wait at once; ``schedule`` gives organizations whose
    time has come; ``ended`` is told of each whose flight has ended.
    """

    def __init__(
        self,
        tools: Tools,
        stores: RecordStores,
        places: Places,
        schedule: Schedule,
        ended: Callable[[Organization], None],
    ) -> None:
        self._tools = tools
        self._stores = stores
        self._places = places
        self._take_due, self._schedule = schedule.take_due, schedule
        self._ended = ended
        self._lock = threading.Lock()
        self._launching = threading.Lock()
        self._asked = False
        self._stopped = False
        self._sweep: dict[Organization, Flight] = {}
        self._flights: dict[Organization, Flight] = {}
        self._lacking = LackingFlights(tools)

    def __len__(self) -> int:
        return len(self._flights)

    def __contains__(self, organization: Organization) -> bool:
        return organization in self._flights

    def launch_due(self) -> None:
        """Begin flights that nobody waits for, while there is room; as each ends, the next.

        Those that only look do so in one sweep at a time. Who finds another thread at it leaves it
        to that one.
        """
        self._asked = True
        while self._asked and self._launching.acquire(blocking=False):
            try:
                self._asked = False
                self._launch_due()
            finally:
                self._launching.release()

    def _launch_due(self) -> None:
        together, calls = self._stores.together or None, self._tools.calls
        while not self._stopped:
            self._lacking.resume()
            looks, permits = 0 if self._sweep else together, (calls.ready, calls.slow_room)
            due = self._take_due(self._now(), looks, self._room(), permits)
            calls.contended = self._schedule.calls_wanted(1) > 0
            if due.looks:
                self._launch_sweep(due.looks)
            for organization in due.flights:
                self.launch(organization, nothing_more, self.launch_due, waited=False)
            in_line = self._schedule.calls_wanted(calls.slow_room) if self._room() > 0 else 0
            if not (any(due) or calls.ask_for(self._lacking.wanted, in_line)):
                return

    def _room(self) -> int:
        """Return how many may be begun that nobody waits for, beside a sweep."""
        with self._lock:
            idle = self._sweep.keys() | self._lacking.organizations
            flights = [self._flights[one] for one in self._flights.keys() - idle]
        return room(flights, self._now())

    def _launch_sweep(self, organizations: list[Organization]) -> None:
        """Look at several at once; for whoever comes, each has a flight under way."""
        with self._lock:
            free = [one for one in organizations if one not in self._flights]
            signals = self._signals()
            sweep = {one: Flight(one, self._tools, nothing_more, signals) for one in free}
            self._flights.update(sweep)
            self._sweep = sweep
        if sweep:
            spawn = self._tools.runtime.spawn_sweep
            self._begin(sweep, spawn, lambda: self._fly_together(sweep))

    def _fly_together(self, sweep: dict[Organization, Flight]) -> None:
        if self._sweep is not sweep:  # given up for want of a thread, but kept by the pool
            return
        flights = list(sweep.values())
        try:
            for flight, answer in zip(flights, self._read_each(flights), strict=True):
                flight.heed(answer)
        finally:
            self._end_all(sweep)
            self.launch_due()
            for flight in flights:
                flight.tell()

    def _read_each(self, flights: list[Flight]) -> list[Answer]:
        try:
            return self._stores.read_each([flight.question() for flight in flights])
        except Exception as error:  # noqa: BLE001  # each flight knows what to make of it
            return [partial(_fail, error)] * len(flights)

    def stop(self) -> None:
        """Begin no more flights that nobody waits for; those under way end as they would."""
        self._stopped = True
        self._end_all(self._lacking.drop())

    def wait(
        self,
        organization: Organization,
        enough: Callable[[Copy | None], bool],
        waiter: Waiter,
        *,
        force: bool = False,
    ) -> None:
        """Wait for a flight that brings a copy that is ``enough``, as long as ``waiter`` may.

        All who wait share one flight and its outcome: nobody tries again behind a failed one.
        ``force`` wants an attempt even if none is due. Who finds no place to wait still sees to it
        that a flight is under way.
        """
        (caller, until, _), name, began = waiter, organization.name, self._now()
        may_wait = self._places.take(name, caller)
        try:
            for _ in range(_TRIES):
                now = self._now()
                if enough(organization.copy) or now >= until or not organization.may_attempt(now):
                    return
                flight = self.launch(organization, lambda copy: force and not enough(copy))
                if not may_wait:
                    self._tools.observer.handle(WaitRefused(name))
                    return
                if not flight.looked.wait(until - now):
                    return
                if enough(organization.copy) or not flight.done.wait(until - self._now()):
                    return
                if flight.attempted or organization.store_fault:
                    return
                if (copy := organization.copy) is not None:
                    doubt, left = copy.in_doubt(self._now()), until - self._now()
                    self._tools.clock.sleep(max(0.0, min(doubt, left)))
        finally:
            if may_wait:
                self._places.give_back(name, caller)
                self._tools.observer.handle(Waited(name, self._now() - began))

    def launch(
        self,
        organization: Organization,
        wanted: Callable[[Copy | None], bool],
        afterwards: Callable[[], None] = lambda: None,
        *,
        waited: bool = True,
    ) -> Flight:
        """Return the flight under way, or a new one; ``wanted`` and ``waited`` as there."""
        with self._lock:
            flight = self._flights.get(organization)
            if flight is not None:
                flight.waited |= waited
                return flight
            flight = Flight(organization, self._tools, wanted, self._signals())
            self._flights[organization], flight.waited = flight, waited
        if not waited and wants_call(organization, self._now()):
            flight.permit = self._tools.calls.take(slow=is_slow(organization.pause))
        self._begin_one(organization, flight, afterwards)
        return flight

    def _begin_one(
        self, organization: Organization, flight: Flight, afterwards: Callable[[], None]
    ) -> None:
        work = partial(self._fly, organization, flight, afterwards)
        self._begin({organization: flight}, self._tools.runtime.spawn, work)

    def _begin(
        self,
        flights: dict[Organization, Flight],
        spawn: Callable[[Callable[[], None]], None],
        work: Callable[[], None],
    ) -> None:
        try:
            spawn(work)
        except Exception as error:  # noqa: BLE001  # invariant 12: no thread now; later, then
            until = self._now() + self._tools.limits.backoff_min
            for organization in flights:
                organization.hold(until, "crashed")
            self._end_all(flights)
            for organization in flights:
                self._tools.observer.handle(Crashed(organization.name, error))

    def _signals(self) -> tuple[Signal, Signal]:
        return self._tools.runtime.signal(), self._tools.runtime.signal()

    def _now(self) -> float:
        return self._tools.clock.monotonic()

    def _fly(
        self, organization: Organization, flight: Flight, afterwards: Callable[[], None]
    ) -> None:
        if self._flights.get(organization) is not flight:  # as a sweep: given up, but kept
            return
        try:
            flight.run()
        finally:
            if flight.lacks_permit and not self._stopped:
                begin = partial(self._begin_one, organization, flight, afterwards)
                self._lacking.add(organization, flight, begin)
            else:
                self._end_all({organization: flight})
                afterwards()
                flight.tell()

    def _end_all(self, flights: dict[Organization, Flight]) -> None:
        with self._lock:
            for organization, flight in flights.items():
                flight.give_up_permit()
                if self._flights.get(organization) is flight:
                    del self._flights[organization]
            if flights is self._sweep:
                self._sweep = {}
        for signal in {one for each in flights.values() for one in (each.looked, each.done)}:
            signal.set()
        for organization in flights:
            self._ended(organization)
