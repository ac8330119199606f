"""A lease that others hold for longer than one lives is told; what comes and goes is not."""

import pytest

from broker.policy.lease_watch import LeaseWatch
from broker.policy.refresher import TICK
from broker.ports import Failure
from tests.memory_store.server import MemoryRecordStore
from tests.policy.fleet import ACME, KEYS, LIMITS, Fleet, Worker, commit_elsewhere

TOLD = "acme lease held"
MOST = 40.0
"""Seconds within which it is told: a lease's life, and the flights that meet it."""


@pytest.fixture
def fleet() -> Fleet:
    """Give one worker: whatever else happens to the lease is the test's."""
    return Fleet(1)


@pytest.fixture
def store(fleet: Fleet) -> MemoryRecordStore:
    """Give the record store of another process."""
    return fleet.server.open(ACME, KEYS)


def prolong(fleet: Fleet, store: MemoryRecordStore, attempt: str = "elsewhere") -> None:
    """Let somebody else hold the lease from now on."""
    shelf = store.shelf
    shelf.lease_until = fleet.clock.redis() + LIMITS.lease
    shelf.lease = (attempt, fleet.server.name)


def hold(
    fleet: Fleet, store: MemoryRecordStore, seconds: float, attempt: str = "elsewhere"
) -> None:
    """Let others hold the lease all the time: who holds it gets it anew before it ends."""
    worker = fleet.workers[0]
    until = fleet.clock.monotonic() + seconds
    while fleet.clock.monotonic() < until:
        prolong(fleet, store, attempt)
        fleet.clock.sleep(TICK)
        worker.tick()


def test_a_lease_that_does_not_end_is_told(
    fleet: Fleet, worker: Worker, store: MemoryRecordStore
) -> None:
    """Not before its life is over."""
    hold(fleet, store, LIMITS.lease)
    assert TOLD not in worker.notes.lines
    hold(fleet, store, MOST - LIMITS.lease)
    assert TOLD in worker.notes.lines


def test_a_failure_ends_it(fleet: Fleet, worker: Worker, store: MemoryRecordStore) -> None:
    """Others tried and failed, each within its lease: health tells of that."""
    for attempt in "abcd":
        hold(fleet, store, 20, attempt)
        store.fail(attempt, 0, Failure("timeout", 1.0), clear_mark=False)
        fleet.run(0.5)
    assert TOLD not in worker.notes.lines


def test_a_token_ends_it(fleet: Fleet, worker: Worker, store: MemoryRecordStore) -> None:
    """Others got one; soon after they are at the next, for Canvas refused it."""
    hold(fleet, store, 20)
    commit_elsewhere(fleet)
    fleet.run(LIMITS.report_min_age + 1)
    generation = worker.ask().generation
    prolong(fleet, store)
    worker.refused(rejected=generation)
    hold(fleet, store, 20)
    assert TOLD not in worker.notes.lines


def test_a_free_lease_ends_it(fleet: Fleet, worker: Worker, store: MemoryRecordStore) -> None:
    """Who watches it sees that nobody has it for a moment."""

    def let_go() -> None:
        store.shelf.lease = None

    hold(fleet, store, 20)
    fleet.clock.later(1.0, let_go)
    fleet.clock.later(1.2, lambda: prolong(fleet, store))
    worker.tick()
    hold(fleet, store, 20)
    assert TOLD not in worker.notes.lines


def test_who_has_not_asked_for_long_begins_anew(
    fleet: Fleet, worker: Worker, store: MemoryRecordStore
) -> None:
    """Nobody knows what was between."""
    hold(fleet, store, 5)
    fleet.clock.sleep(100)
    hold(fleet, store, 5)
    assert TOLD not in worker.notes.lines


def test_what_is_counted() -> None:
    """Seconds since others were met with it, for as long as nothing changes and they are met."""
    watch, known = LeaseWatch(), (7, 1)
    assert [watch.held(known, now, 25.0) for now in (100.0, 110.0, 134.0)] == [0.0, 10.0, 34.0]
    assert watch.held((8, 1), 135.0, 25.0) == 0.0, "a token came"
    assert watch.held((8, 2), 140.0, 25.0) == 0.0, "a failure came"
    assert watch.held((8, 2), 165.1, 25.0) == 0.0, "nobody asked for as long as a lease lives"
    assert watch.held((8, 2), 166.1, 25.0) == 1.0
    watch.free()
    assert watch.held((8, 2), 167.0, 25.0) == 0.0
