"""Redis in virtual time: hung, down, flushed, failed over with its last writes lost."""

import copy
from collections import deque
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import partial
from typing import TypeVar, cast

from broker.credentials import Credentials
from broker.errors import StoreUnavailableError
from broker.fleet_calls import CallLimits, CallsGranted, CallsWanted
from broker.limits import Limits
from broker.ports import (
    Answer,
    Commitment,
    Failure,
    Grant,
    Question,
    RecordStore,
    ReportStatus,
    Slot,
    Snapshot,
)
from broker.store.breaker import Breaker
from broker.store_damage import Damage
from broker.store_faults import Reason
from broker.tokens import Record, Spare
from tests.memory_store.calls import MemoryFleetCalls
from tests.memory_store.server import MemoryServer
from tests.memory_store.shelf import Shelf
from tests.simulation.feed import SimChannel
from tests.simulation.invariants import Watch
from tests.simulation.scheduler import Process, Scheduler

T = TypeVar("T")
EPOCH = 1_800_000_000.0
HISTORY = 3.0
"""Seconds of writes that a failover may lose at most."""


class Reach(StrEnum):
    """How Redis answers."""

    UP = "up"
    HUNG = "hung"
    DOWN = "down"


class SimRedis:
    """The server that all processes share; the memory store holds its semantics.

    What it holds is copied aside with every write, so that a failover can go back in time.
    """

    def __init__(
        self, scheduler: Scheduler, limits: Limits, watch: Watch, allowed: CallLimits
    ) -> None:
        self.scheduler = scheduler
        self.watch = watch
        self._reach = Reach.UP
        self.clock_error = 0.0
        self.network = Process("network")
        self.lost_replies = 0.0
        self.duplicates = 0.0
        self.commands = 0
        self.channel = SimChannel(scheduler, self.network)
        self.server = MemoryServer(self.now, limits, publish=self.channel.publish)
        self.calls = MemoryFleetCalls(self.now, allowed, limits)
        self._names = 1
        self._history: dict[tuple[str, str], deque[tuple[float, Shelf]]] = {}

    @property
    def reach(self) -> Reach:
        """Return how Redis answers."""
        return self._reach

    @reach.setter
    def reach(self, reach: Reach) -> None:
        self._reach = reach
        self.channel.down, self.channel.hung = reach is Reach.DOWN, reach is Reach.HUNG

    def now(self) -> float:
        """Return this server's idea of Unix time."""
        return EPOCH + self.scheduler.now + self.clock_error

    def apply(self, key: tuple[str, str], operation: Callable[[], T]) -> T:
        """Run one script, at once and whole."""
        self.commands += 1
        result = operation()
        shelf = self.server.shelves.get(key)
        if shelf is not None:
            history = self._history.setdefault(key, deque())
            history.append((self.scheduler.now, copy.copy(shelf)))
            while len(history) > 1 and history[1][0] < self.scheduler.now - HISTORY:
                history.popleft()
            self.watch.stored(key, shelf)
        return result

    def flush(self) -> None:
        """Lose everything; the server stays the same."""
        self.server.shelves.clear()
        self.calls.state = ""
        self._history.clear()
        self.watch.lost_writes(all_of_them=True)

    def restart_empty(self) -> None:
        """Come back as a new server with nothing in it."""
        self.flush()
        self._rename(self.clock_error)

    def fail_over(self, lag: float, clock_error: float) -> None:
        """Let a replica take over that is ``lag`` seconds behind and has a clock of its own."""
        then = self.scheduler.now - lag
        for key in list(self.server.shelves):
            older = [shelf for at, shelf in self._history.get(key, ()) if at <= then]
            if older:
                self.server.shelves[key] = copy.copy(older[-1])
            else:
                del self.server.shelves[key]
        self._history = {
            key: deque([(self.scheduler.now, copy.copy(shelf))])
            for key, shelf in self.server.shelves.items()
        }
        self._rename(clock_error)
        self.watch.lost_writes()

    def step_clock(self, seconds: float) -> None:
        """Set this server's clock; deadlines inside the memory store are absolute, as Redis's."""
        self.clock_error += seconds

    def _rename(self, clock_error: float) -> None:
        # Deadlines inside the memory store are absolute: leases and backoffs move with the clock,
        # as Redis's own expiry does.
        self.clock_error = clock_error
        self.channel.cut()
        self._names += 1
        self.server.name = f"server-{self._names}"


class SimStore:
    """One process's way to the record store: latency, lost replies, duplicates, the breaker."""

    def __init__(
        self, redis: SimRedis, breaker: Breaker, organization: str, credentials: Credentials
    ) -> None:
        self._redis = redis
        self._breaker = breaker
        self._key = (organization, credentials.version)
        self.store: RecordStore = redis.server.open(organization, credentials)
        self.name = self.store.name

    @property
    def outage(self) -> Reason | None:
        """Return what the breaker knows."""
        return self._breaker.reason()

    def take_damage(self) -> Sequence[Damage]:
        """Pass it on: nobody is asked."""
        return self.store.take_damage()

    def read(self, known: int) -> Snapshot:
        """Pass it on."""
        return self.call(lambda: self.store.read(known))

    def acquire(self, attempt: str, expected: int, wish: Slot) -> Grant:
        """Pass it on."""
        return self.call(lambda: self.store.acquire(attempt, expected, wish))

    def commit(
        self, attempt: str, expected: int, record: Record, failure: Failure | None
    ) -> Commitment:
        """Pass it on."""
        return self.call(lambda: self.store.commit(attempt, expected, record, failure))

    def commit_spare(self, grant: Grant, spare: Spare, failure: Failure) -> Commitment:
        """Pass it on."""
        return self.call(lambda: self.store.commit_spare(grant, spare, failure))

    def fail(self, attempt: str, expected: int, failure: Failure, *, clear_mark: bool) -> None:
        """Pass it on."""
        self.call(lambda: self.store.fail(attempt, expected, failure, clear_mark=clear_mark))

    def lift(self, writing: str) -> None:
        """Pass it on."""
        self.call(lambda: self.store.lift(writing))

    def report(self, generation: int) -> ReportStatus:
        """Pass it on."""
        return self.call(lambda: self.store.report(generation))

    def republish(self, record: Record) -> None:
        """Pass it on."""
        self.call(lambda: self.store.republish(record))

    def note_clock_step(self) -> None:
        """Pass it on."""
        self.call(self.store.note_clock_step)

    def call(self, operation: Callable[[], T]) -> T:
        """Carry an operation to the server and its result back."""
        return self._breaker.call(lambda: self._with_retry(operation))

    def _with_retry(self, operation: Callable[[], T]) -> T:
        for _ in range(2):
            done, result = self._once(operation)
            if done:
                return result
        raise StoreUnavailableError("simulated")

    def _once(self, operation: Callable[[], T]) -> tuple[bool, T]:
        redis, scheduler = self._redis, self._redis.scheduler
        chance = scheduler.random.random
        nothing: T = None  # type: ignore[assignment] # told apart by the flag
        scheduler.sleep(0.0002 + 0.002 * chance())
        if redis.reach is Reach.DOWN:
            return False, nothing
        if redis.reach is Reach.HUNG:
            # The command lies in the server's socket and is carried out when it wakes.
            self._later(operation)
            scheduler.sleep(0.75)
            return False, nothing
        result = redis.apply(self._key, operation)
        if chance() < redis.duplicates:
            self._later(operation)
        if chance() < redis.lost_replies:
            scheduler.sleep(0.5)
            return False, nothing
        scheduler.sleep(0.0002 + 0.002 * chance())
        return True, result

    def _later(self, operation: Callable[[], T]) -> None:
        redis, scheduler = self._redis, self._redis.scheduler
        delay = scheduler.random.choice([0.01, 0.3, 3.0, 20.0, 40.0])

        def deliver() -> None:
            scheduler.sleep(delay)
            while redis.reach is Reach.HUNG:
                scheduler.sleep(0.05)
            if redis.reach is Reach.UP:
                redis.apply(self._key, operation)

        scheduler.spawn(redis.network, "late", deliver)


class SimFleetCalls(SimStore):
    """One process's way to the calls that the whole fleet makes."""

    def __init__(self, redis: SimRedis, breaker: Breaker) -> None:
        self._redis = redis
        self._breaker = breaker
        self._key = ("", "calls")

    def ask(self, wanted: CallsWanted) -> CallsGranted:
        """Pass it on."""
        return self.call(lambda: self._redis.calls.ask(wanted))


class SimStores:
    """One process's way to the record stores of all organizations."""

    def __init__(self, redis: SimRedis, breaker: Breaker) -> None:
        self._redis = redis
        self._breaker = breaker

    def open(self, organization: str, credentials: Credentials) -> SimStore:
        """Return the way to one of them."""
        return SimStore(self._redis, self._breaker, organization, credentials)

    @property
    def together(self) -> int:
        """How many may be read in one round trip."""
        return self._redis.server.together

    def check_writes(self, stores: Sequence[RecordStore]) -> list[Reason | None]:
        """Return that all writes are taken: the simulation has no server that refuses some."""
        return [None for _ in stores]

    def read_each(self, asked: Sequence[Question]) -> list[Answer]:
        """Read several in one round trip, which fails as a whole."""
        stores = [(cast("SimStore", store), known) for store, known in asked]
        first = stores[0][0]
        snapshots = first.call(lambda: [store.store.read(known) for store, known in stores])
        return [partial(_same, snapshot) for snapshot in snapshots]


def _same(snapshot: Snapshot) -> Snapshot:
    return snapshot
