"""Permits to call Canvas: none is lost, none is asked for in vain, nobody waits for one in vain."""

from dataclasses import dataclass, field

import pytest

from broker.errors import StoreUnavailableError
from broker.fleet_calls import CallLimits, CallsGranted, CallsWanted
from broker.policy.calls import KEPT_S, Calls
from tests.fakes import FakeClock
from tests.policy.fleet import Fleet, Worker
from tests.policy.fleet import commit_elsewhere as commit


@dataclass
class Told:
    """A fleet that grants ``permits`` to each question; without, Redis is out of reach."""

    permits: int | None = 0
    asked: list[CallsWanted] = field(default_factory=list)

    def ask(self, wanted: CallsWanted) -> CallsGranted:
        """Note the question."""
        self.asked.append(wanted)
        if self.permits is None:
            raise StoreUnavailableError("gone")
        return CallsGranted(min(self.permits, wanted.wants), 0.0, 0.0, 0.05, part=1)


@pytest.fixture
def told() -> Told:
    """Return one that grants nothing."""
    return Told()


@pytest.fixture
def calls(told: Told) -> Calls:
    """Return the permits of a process."""
    return Calls(told, FakeClock(), "worker", CallLimits(20, 5))


def test_none_is_asked_for_that_could_not_be_taken(calls: Calls, told: Told) -> None:
    """One that hung has a share; beyond it a caller's asking costs the fleet nothing."""
    told.permits = 1
    first = calls.request(slow=True, waited=True)
    assert first is not None
    assert calls.request(slow=True, waited=True) is None
    assert len(told.asked) == 1
    calls.end(first)
    assert calls.request(slow=True, waited=True) is not None


def test_callers_take_none_that_is_kept_for_them_for_others(calls: Calls, told: Told) -> None:
    """Who stands in line is asked for apart."""
    told.permits = 1
    assert calls.ask_for(1, 30)
    assert calls.take(slow=False) is not None
    calls.clock.sleep(0.1)
    assert calls.ask_for(0, 30)
    assert [(one.wants, one.spare < 0) for one in told.asked] == [(1, True), (30, False)]


def test_one_that_is_given_up_twice_is_given_up_once(calls: Calls, told: Told) -> None:
    """A thread that was late to run may do so as well."""
    told.permits = 1
    permit = calls.request(slow=False, waited=True)
    calls.end(permit)
    calls.end(permit)
    assert (calls.held, calls.ready) == (1, 1)


def test_alone_no_permit_is_far_ahead(calls: Calls, told: Told) -> None:
    """A thread would sleep until its instant."""
    told.permits = None
    assert calls.ask(1, at_once=True) == 1
    permit = calls.take(slow=False)
    assert permit is not None
    assert permit.since <= calls.clock.monotonic()
    permit.calls = 1
    calls.end(permit)
    assert calls.ask(1, at_once=True) == 0  # the next instant is four seconds away


def test_none_grows_old_behind_one_that_is_given_back(calls: Calls, told: Told) -> None:
    """Held and unused, it would count for the fleet for ever."""
    told.permits = 2
    assert calls.ask(2, at_once=True) == 2
    for _ in range(4):
        permit = calls.take(slow=False)
        calls.clock.sleep(KEPT_S / 3)
        calls.end(permit)
        calls.settle()
    assert calls.ready == 1


class TestWithoutAPermit:
    @pytest.fixture
    def poor(self, fleet: Fleet, worker: Worker) -> Worker:
        """Return a worker that gets no permit, nor does another one."""
        for one in fleet.workers:
            one.calls.fleet = Told()
        return worker

    def test_anothers_token_ends_the_wait(self, fleet: Fleet, poor: Worker) -> None:
        """Once it is told, without time; and afterwards nobody looks for more."""
        fleet.connect()
        poor.tick()
        poor.refused()
        commit(fleet)
        fleet.tell()
        poor.tick()
        before = fleet.clock.monotonic()
        assert poor.token() == "access-elsewhere"
        assert fleet.clock.monotonic() == before
        poor.link.counts.clear()
        fleet.run(5)
        assert poor.link.counts["read"] <= 1

    def test_nor_does_it_need_to_be_told(self, fleet: Fleet, poor: Worker) -> None:
        """Without a feed it is looked for as usual."""
        poor.tick()
        poor.refused()
        commit(fleet)
        fleet.run(2)
        before = fleet.clock.monotonic()
        assert poor.token() == "access-elsewhere"
        assert fleet.clock.monotonic() == before


def test_threads_that_cannot_be_started_take_no_permits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fleet would lack them until the worker is restarted."""
    fleet = Fleet(allowed=CallLimits(20, 500))
    (worker,) = fleet.workers

    def fail(_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(worker.runtime, "spawn", fail)
    fleet.run(20)
    assert worker.notes.lines
    assert worker.calls.held - worker.calls.ready == 0
