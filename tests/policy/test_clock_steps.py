"""Redis's clock is set, forward or back, by minutes and at any moment."""

from contextlib import suppress
from dataclasses import replace
from itertools import pairwise

import pytest

from broker.errors import AmbiguousError, UnavailableError
from broker.failure_kinds import FailureKind
from broker.ports import GrantStatus, Slot
from broker.store_faults import Reason, StoreFault
from broker.tokens import Kind, State
from tests.policy.fleet import (
    ACME,
    KEEP_WARM,
    KEYS,
    LIMITS,
    NEW_KEYS,
    Fleet,
    Worker,
    commit_elsewhere,
)

AUTHENTICATE, REFRESH = Kind.AUTHENTICATE, Kind.REFRESH
STEPS = (-600.0, -100.0, -5.0, 5.0, 100.0, 600.0)
UNCERTAIN = 0.5
"""Seconds: what a round trip is uncertain by."""


def end_of(fleet: Fleet, worker: Worker) -> float:
    """Return the instant at which a worker takes its token to end, on the fleet's clock."""
    copy = worker.broker._organizations[ACME].copy
    assert copy is not None
    return fleet.clock.monotonic() + copy.remaining(worker.clock.monotonic())


def error_of(fleet: Fleet, worker: Worker, end: float) -> float:
    """Return by how much a worker takes its token to live longer than to ``end``."""
    return end_of(fleet, worker) - end


class TestNewcomer:
    """A process that starts after the step and has no evidence of its own."""

    @pytest.mark.parametrize("step", STEPS)
    @pytest.mark.parametrize("age", [3.0, 300.0, 560.0])
    def test_alone(
        self, fleet: Fleet, worker: Worker, other: Worker, step: float, age: float
    ) -> None:
        """No token is taken to live longer than it does, and a new one comes within a lease."""
        worker.ask()
        end = end_of(fleet, worker)
        fleet.workers.remove(worker)
        fleet.clock.sleep(age)
        fleet.clock.redis_error += step
        fleet.canvas.errors = [AmbiguousError(FailureKind.TIMEOUT)]
        other.tick()
        if other.broker._organizations[ACME].copy is not None:
            assert error_of(fleet, other, end) <= UNCERTAIN
        fleet.run(LIMITS.lease + 1)
        assert other.token() == "access-2"
        assert fleet.canvas.calls[1:] in ([AUTHENTICATE] * 2, [REFRESH, AUTHENTICATE])

    @pytest.mark.parametrize("step", STEPS)
    def test_beside_one_that_knows(
        self, fleet: Fleet, worker: Worker, other: Worker, step: float
    ) -> None:
        """Who has the token in memory puts its times right; nobody asks Canvas."""
        fleet.workers.remove(other)
        fleet.run(200, asking=True)
        end = end_of(fleet, worker)
        fleet.clock.redis_error += step
        fleet.run(2, asking=True)
        assert other.token() == "access-1"
        assert abs(error_of(fleet, other, end)) <= UNCERTAIN
        assert fleet.canvas.calls == [AUTHENTICATE]

    def test_where_the_hosts_clocks_differ(
        self, fleet: Fleet, worker: Worker, other: Worker
    ) -> None:
        """Nobody can tell whose clock was set: the shorter life counts, and one refresh follows."""
        worker.ask()
        fleet.clock.sleep(10)
        fleet.clock.host_error = 300.0
        other.ask()
        fleet.run(5, asking=True)
        assert {other.token(), worker.token()} == {"access-2"}
        assert fleet.canvas.calls == [AUTHENTICATE, REFRESH]

    def test_many_whose_hosts_clocks_differ_refresh_once(self) -> None:
        """All have looked at the server before the first one acts on its doubt."""
        fleet = Fleet(5)
        first, *others = fleet.workers
        first.ask()
        fleet.clock.sleep(10)
        for number, worker in enumerate(others, 1):
            fleet.clock.host_error = 60.0 * number
            worker.ask()
            fleet.clock.sleep(0.1)
        fleet.run(10)
        assert {worker.token() for worker in fleet.workers} == {"access-2"}
        assert fleet.canvas.calls == [AUTHENTICATE, REFRESH]
        fleet.check()

    def test_those_that_take_it_for_dead_refresh_once_a_second(self) -> None:
        """However many start, one after another, and whether or not somebody asks them."""
        fleet = Fleet(6)
        first, *others = fleet.workers
        first.ask()
        fleet.clock.sleep(10)
        begun: list[float] = []
        fleet.canvas.before_answer = lambda: begun.append(fleet.clock.monotonic())
        for number, worker in enumerate(others, 1):
            fleet.clock.host_error += 1000.0
            worker.tick()
            if number % 2:
                worker.ask()
            fleet.clock.sleep(0.3)
        fleet.run(5)
        assert len(begun) <= 3
        assert all(b - a >= LIMITS.backoff_min for a, b in pairwise(begun))
        assert len({worker.token() for worker in fleet.workers}) == 1
        fleet.check()

    def test_where_canvas_is_away_the_shorter_life_is_served(
        self, fleet: Fleet, worker: Worker, other: Worker
    ) -> None:
        """A token that may be good is better than none."""
        worker.ask()
        fleet.clock.sleep(10)
        fleet.clock.host_error = 300.0
        fleet.canvas.errors = [AmbiguousError(FailureKind.TIMEOUT)] * 50
        fleet.run(30, asking=True)
        assert other.token() == "access-1"

    def test_record_of_an_earlier_version(
        self, fleet: Fleet, worker: Worker, other: Worker
    ) -> None:
        """It tells nothing of the clocks: it is served, and refreshed once for all who start."""
        worker.ask()
        shelf = fleet.shelf()
        assert shelf.record is not None
        shelf.record = replace(shelf.record, stamp=None)
        other.ask()
        fleet.run(5, asking=True)
        assert {other.token(), worker.token()} == {"access-2"}
        assert fleet.canvas.calls == [AUTHENTICATE, REFRESH]

    def test_certainty_comes_later(self, fleet: Fleet, worker: Worker, other: Worker) -> None:
        """The same record, put right by one that knows, replaces what was uncertain."""
        fleet.workers.remove(other)
        fleet.run(200, asking=True)
        end = end_of(fleet, worker)
        fleet.clock.host_error = 300.0
        fleet.canvas.errors = [AmbiguousError(FailureKind.TIMEOUT)]
        assert other.token() == "access-1"
        assert error_of(fleet, other, end) < -200
        fleet.clock.redis_error -= 20.0
        fleet.run(2, asking=True)
        fleet.workers.append(other)
        fleet.run(8, asking=True)
        assert abs(error_of(fleet, other, end)) <= UNCERTAIN


class TestWhoLivesOn:
    @pytest.mark.parametrize("step", STEPS)
    def test_serves_and_refreshes_in_time(self, fleet: Fleet, step: float) -> None:
        """The life in memory stays right, and the next token comes in time."""
        fleet.run(200, asking=True)
        end = end_of(fleet, fleet.workers[0])
        fleet.clock.redis_error += step
        fleet.run(150, asking=True)
        for worker in fleet.workers:
            assert worker.token() == "access-1"
            assert abs(error_of(fleet, worker, end)) <= UNCERTAIN
        fleet.run(100, asking=True)
        assert {worker.token() for worker in fleet.workers} == {"access-2"}
        assert fleet.canvas.calls == [AUTHENTICATE, AUTHENTICATE]

    @pytest.mark.parametrize("step", STEPS)
    def test_record_committed_over_a_step_is_put_right(
        self, fleet: Fleet, worker: Worker, other: Worker, step: float
    ) -> None:
        """Its times are another clock's from the start; its writer knows the right ones."""
        fleet.workers.remove(other)
        fleet.canvas.before_answer = lambda: setattr(fleet.clock, "redis_error", step)
        worker.ask()
        end = end_of(fleet, worker)
        fleet.run(2, asking=True)
        fleet.clock.sleep(200)
        assert other.token() == "access-1"
        assert error_of(fleet, other, end) <= UNCERTAIN

    def test_step_forward_ends_no_lease(self, fleet: Fleet, worker: Worker, other: Worker) -> None:
        """The lease of a call in flight is gone; nobody calls beside it."""
        fleet.run(399, asking=True)
        granted: list[GrantStatus] = []

        def step() -> None:
            fleet.canvas.before_answer = lambda: None
            fleet.clock.redis_error += 60.0
            for _ in range(4):
                fleet.clock.sleep(0.9)
                other.tick()
            present = fleet.server.open(ACME, KEYS)
            grant = present.acquire("stranger", present.read(0).generation, Slot.NONE)
            granted.append(grant.status)

        fleet.canvas.before_answer = step
        worker.tick()
        fleet.clock.sleep(1.0)
        worker.tick()
        fleet.run(3)
        assert granted == [GrantStatus.HELD]
        assert fleet.canvas.presented == ["refresh-1"]

    def test_step_between_the_look_and_the_grant(
        self, fleet: Fleet, worker: Worker, other: Worker
    ) -> None:
        """A lease that was granted over a step is not used, nor counted as a failure."""
        fleet.run(399, asking=True)
        fleet.workers.remove(other)
        worker.link.before["acquire"] = lambda: setattr(fleet.clock, "redis_error", 60.0)
        fleet.run(10, asking=True)
        assert fleet.canvas.calls == [AUTHENTICATE]
        assert worker.link.counts["acquire"] >= 1
        assert worker.health().failures == 0
        fleet.run(LIMITS.lease + 5, asking=True)
        assert worker.token() == "access-2"

    @pytest.mark.parametrize("step", [-600.0, -20.0, 20.0, 600.0])
    def test_standing_backoff(self, fleet: Fleet, worker: Worker, step: float) -> None:
        """It lasts hardly longer than a lease from then on."""
        fleet.canvas.errors = [AmbiguousError(FailureKind.TIMEOUT)]
        fleet.run(1, asking=False)
        fleet.clock.redis_error += step
        fleet.run(LIMITS.lease + 8)
        assert {worker.health().state for worker in fleet.workers} == {State.FRESH}

    @pytest.mark.parametrize("step", STEPS)
    def test_report(self, fleet: Fleet, worker: Worker, step: float) -> None:
        """A refused token is replaced within a lease and a minute, whichever way the clock went."""
        fleet.run(30, asking=True)
        generation = worker.ask().generation
        fleet.clock.redis_error += step
        for _ in range(int(LIMITS.lease + LIMITS.report_interval)):
            with suppress(UnavailableError):
                worker.ask(rejected=generation)
            fleet.run(1)
        assert worker.token() == "access-2"

    def test_idle_ones_find_it_late(self, fleet: Fleet, worker: Worker, other: Worker) -> None:
        """Whoever looks long afterwards costs the others no token."""
        other.ask()
        worker.ask()
        fleet.workers.remove(other)
        fleet.clock.redis_error -= 600.0
        fleet.run(60, asking=True)
        other.ask()
        fleet.run(5, asking=True)
        assert other.token() == "access-1"
        assert fleet.canvas.calls == [AUTHENTICATE]

    @pytest.mark.parametrize("step", [-5.0, 5.0, 600.0])
    def test_idle_ones_without_a_token_find_it_one_after_the_other(self, step: float) -> None:
        """They are as those that start: one call brings a token for all, and nobody waits."""
        fleet = Fleet(4)
        for worker in fleet.workers:
            worker.ask()
        fleet.run(KEEP_WARM + 700)
        fleet.canvas.calls.clear()
        fleet.clock.redis_error += step
        tokens = set()
        for worker in fleet.workers:
            tokens.add(worker.token())
            fleet.run(LIMITS.lease + 5)
        assert len(tokens) == len(fleet.canvas.calls) == 1
        fleet.check()

    def test_two_servers_are_not_compared(self, fleet: Fleet, worker: Worker) -> None:
        """After a failover the other server's clock is another one: nothing was set."""
        fleet.run(10, asking=True)
        fleet.clock.redis_error += 600.0
        fleet.fail_over()
        fleet.run(10, asking=True)
        for one in fleet.workers:
            assert one.link.counts["note_clock_step"] == 0


def test_server_that_cannot_be_told_is_not_told_in_a_loop(fleet: Fleet, worker: Worker) -> None:
    """While Redis refuses writes, each look tries once."""
    fleet.run(20, asking=True)
    fleet.clock.redis_error -= 600.0
    worker.link.refuses, worker.link.seconds = Reason(StoreFault.OUT_OF_MEMORY), 0.01
    fleet.clock.later(10.0, lambda: setattr(worker.link, "refuses", None))
    fleet.run(12, asking=True)
    assert 5 <= worker.link.counts["note_clock_step"] <= 15
    assert worker.health().state is State.FRESH


def test_record_of_elsewhere_is_taken_over(fleet: Fleet, worker: Worker) -> None:
    """Who has watched the clock since before it was written needs no other evidence."""
    worker.ask()
    fleet.run(10, asking=True)
    fleet.clock.host_error = 300.0
    commit_elsewhere(fleet)
    fleet.run(1)
    assert worker.token() == "access-elsewhere"
    fleet.run(5, asking=True)
    assert fleet.canvas.calls == [AUTHENTICATE]


def test_what_is_put_right_meanwhile_is_taken_over_at_once(
    fleet: Fleet, worker: Worker, other: Worker
) -> None:
    """Who waits because the clock was set looks at the record again, though its number is known."""
    fleet.workers.remove(other)
    fleet.run(20, asking=True)
    fleet.clock.redis_error -= 600.0
    fleet.clock.later(1.0, worker.tick)
    fleet.clock.later(1.5, worker.tick)
    now = fleet.clock.monotonic()
    assert other.token() == "access-1"
    assert fleet.clock.monotonic() - now < LIMITS.wait


def test_new_credentials_have_a_lease_of_their_own(
    fleet: Fleet, worker: Worker, other: Worker
) -> None:
    """Who saw the step under the old ones tells it for the new ones, too."""
    fleet.run(20, asking=True)
    worker.broker.configure({ACME: NEW_KEYS})

    def step() -> None:
        fleet.canvas.before_answer = lambda: None
        fleet.clock.redis_error += 60.0
        fleet.clock.sleep(1.0)
        other.tick()
        other.broker.configure({ACME: NEW_KEYS})
        other.tick()

    fleet.canvas.before_answer = step
    worker.tick()
    assert fleet.canvas.calls == [AUTHENTICATE, AUTHENTICATE]
    fleet.run(3, asking=True)
    assert {worker.token(), other.token()} == {"access-2"}
