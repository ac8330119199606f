"""Permits to call Canvas: none is lost, none is asked for in vain, nobody waits for one in vain."""

from dataclasses import dataclass, field

import pytest

from broker.errors import StoreUnavailableError
from broker.feed import Change
from broker.fleet_calls import CallLimits, CallsGranted, CallsWanted
from broker.policy.calls import KEPT_S, LIMIT_KEPT_S, Calls
from tests.fakes import FakeClock
from tests.policy.fleet import ACME, KEYS, Fleet, Worker
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
    for lacking in (1, 0):
        question = calls.question(lacking, 30)
        assert question is not None
        assert question() == 1
        assert calls.take(slow=False) is not None
        calls.clock.sleep(0.1)
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


class TestWhereRedisHangs:
    """The question may take as long as one operation of Redis: nobody may wait for it."""

    @pytest.fixture
    def hung(self, fleet: Fleet, worker: Worker) -> Worker:
        """Return a worker whose questions take 1.5 s, on threads that are slow to start."""
        told = Told(None)

        def ask(wanted: CallsWanted) -> CallsGranted:
            fleet.clock.sleep(1.5)
            return Told.ask(told, wanted)

        fleet.run(1)
        told.ask = ask  # type: ignore[method-assign]
        worker.calls.fleet = told
        worker.runtime.questions = []
        return worker

    def test_no_tick_waits(self, fleet: Fleet, hung: Worker) -> None:
        """Neither asks for permits, nor tells that fewer are held."""
        before = fleet.clock.monotonic()
        hung.calls._reported = 3
        hung.tick()
        assert fleet.clock.monotonic() == before
        assert hung.runtime.questions
        for question in hung.runtime.questions:
            question()
        assert fleet.clock.monotonic() - before == 1.5

    def test_nor_does_the_thread_that_hears_of_changes(self, fleet: Fleet, hung: Worker) -> None:
        """It would take its own silence for the end of the feed."""
        fleet.clock.sleep(420)  # the token is stale
        hung.ask()
        hung.runtime.hold = True  # flights, which may well wait
        before = fleet.clock.monotonic()
        hung.broker.changes.connected()
        hung.broker.changes.heard([Change(ACME, hung.link.open(ACME, KEYS).name, 0)])
        assert fleet.clock.monotonic() == before
        assert hung.runtime.questions


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), ValueError("reply")])
def test_what_nobody_foresaw_is_told(worker: Worker, error: Exception) -> None:
    """Of a thread of the pool nobody would hear."""

    def fail(_: object) -> CallsGranted:
        raise error

    worker.calls.fleet = told = Told()
    told.ask = fail  # type: ignore[assignment, method-assign]
    worker.tick()
    assert any(f"* crashed {type(error).__name__}" in line for line in worker.notes.lines)


@pytest.mark.parametrize("permits", [1, 5])
def test_who_stops_gives_its_permits_back(permits: int) -> None:
    """The others need not wait for a lease's time."""
    fleet = Fleet(2, allowed=CallLimits(8, 500))
    first, other = fleet.workers
    assert first.calls.ask(permits) == permits
    fleet.clock.sleep(0.1)
    assert other.calls.ask(8) == 8 - permits - 1  # an eighth is for callers
    assert first.broker.finish(10)
    fleet.clock.sleep(0.1)
    assert other.calls.ask(8) == permits


def test_how_many_calls_the_fleet_may_begin_is_known_for_a_minute() -> None:
    """From each answer of Redis; what a worker grants itself tells nothing."""
    fleet = Fleet(allowed=CallLimits(20, 500))
    (worker,) = fleet.workers
    worker.calls.ask(1)
    assert worker.calls.limit == pytest.approx(50, rel=0.01)
    worker.calls.note_call(worker.calls.take(slow=False))
    worker.calls.note_refused()
    fleet.clock.sleep(1.0)
    worker.calls.ask(0)
    slowed = worker.calls.limit
    assert slowed is not None
    assert slowed < 100
    worker.calls.fleet = Told(None)
    fleet.clock.sleep(LIMIT_KEPT_S - 1)
    worker.calls.ask(1)
    assert worker.calls.limit == slowed
    fleet.clock.sleep(1)
    assert worker.calls.limit is None


def test_who_holds_none_has_none_to_give_back(calls: Calls, told: Told) -> None:
    """Its end asks Redis nothing."""
    calls.leave()
    assert not told.asked


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
