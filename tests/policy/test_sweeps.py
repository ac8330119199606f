"""Looks at several organizations in one round trip: each is as good as one alone."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NoReturn

import pytest

from broker.errors import StoreUnavailableError
from broker.policy.calls import AT_ONCE
from broker.policy.flight import Flight
from broker.policy.reports import report
from broker.policy.room import BRIEF, BRIEF_AT_ONCE
from broker.policy.schedule import Due
from broker.ports import Answer, Question, ReportStatus
from broker.secret import Secret
from broker.tokens import Kind
from tests.fakes import credentials
from tests.memory_store.server import MemoryRecordStore
from tests.policy.fleet import Fleet, Worker
from tests.policy.test_many_organizations import keys, no_thread

MANY = 100
TOGETHER = 32


@pytest.fixture
def fleet() -> Fleet:
    """Give one worker whose organizations all have a fresh token."""
    fleet = Fleet(1)
    fleet.canvas.latency = 0.0
    fleet.configure({name(number): keys(number) for number in range(MANY)})
    fleet.run(1)
    assert fleet.canvas.answers == MANY
    forget(fleet)
    return fleet


@pytest.fixture
def worker(fleet: Fleet) -> Worker:
    """Give the only worker."""
    return fleet.workers[0]


def name(number: int) -> str:
    """Return the name of an organization."""
    return f"org-{number}"


def store(fleet: Fleet, number: int) -> MemoryRecordStore:
    """Return the record store of an organization."""
    return fleet.server.open(name(number), keys(number))


def forget(fleet: Fleet) -> None:
    """Forget what was counted so far."""
    link = fleet.workers[0].link
    link.counts.clear()
    link.sweeps.clear()
    fleet.canvas.calls.clear()


def look_once(fleet: Fleet) -> None:
    """Let each organization be looked at once more."""
    for number in range(MANY):
        fleet.workers[0].ask(name(number))
    fleet.clock.sleep(0.8)
    fleet.workers[0].tick()


def test_as_many_as_go_together(fleet: Fleet, worker: Worker) -> None:
    """Each is read once, in four round trips, none of them on a thread that others wait for."""
    look_once(fleet)
    assert worker.link.sweeps == [TOGETHER, TOGETHER, TOGETHER, MANY - 3 * TOGETHER]
    assert worker.link.counts == {"read": MANY}


def test_each_on_its_own_where_none_go_together(fleet: Fleet, worker: Worker) -> None:
    """As in a cluster: a look is a flight, eight at once, more beside those that take long."""
    fleet.server.together = 0
    worker.runtime.hold = True
    look_once(fleet)
    assert len(worker.runtime.held) == BRIEF_AT_ONCE
    fleet.clock.sleep(BRIEF)
    worker.tick()
    assert len(worker.runtime.held) == 2 * BRIEF_AT_ONCE
    worker.runtime.hold = False
    worker.runtime.release()
    assert worker.link.sweeps == []
    assert worker.link.counts == {"read": MANY}


def test_one_sweep_at_a_time(fleet: Fleet, worker: Worker) -> None:
    """The next begins as it ends, without a tick."""
    worker.runtime.hold = True
    look_once(fleet)
    worker.tick()
    (sweep,) = worker.runtime.held
    worker.runtime.held.clear()
    sweep()
    assert worker.link.sweeps == [TOGETHER]
    assert len(worker.runtime.held) == 1


def test_canvas_that_hangs_keeps_no_look_waiting(fleet: Fleet, worker: Worker) -> None:
    """As many flights as may be are under way; others are looked at all the same."""
    fleet.configure({name(number): keys(number) for number in range(MANY + 2 * AT_ONCE)})
    worker.runtime.hold = True
    for _ in range(8):
        worker.tick()
        fleet.clock.sleep(BRIEF)
    assert len(worker.runtime.held) == AT_ONCE
    worker.runtime.hold = False
    forget(fleet)
    look_once(fleet)
    assert sum(worker.link.sweeps) == MANY
    assert not fleet.canvas.calls


def test_who_is_in_the_air_already_is_left_out(fleet: Fleet, worker: Worker) -> None:
    """A caller's flight goes on as the only one of its organization."""
    worker.runtime.hold = True
    worker.broker._flights.launch(worker.broker._organizations[name(0)], lambda copy: copy is None)
    look_once(fleet)
    flight, sweep = worker.runtime.held
    worker.runtime.held.clear()
    sweep()
    assert worker.link.sweeps == [TOGETHER - 1]
    assert name(0) in {one.name for one in worker.broker._flights._flights}
    worker.runtime.hold = False
    worker.runtime.release()
    flight()
    fleet.run(1)
    assert not worker.broker._flights


def test_flights_begin_beside_a_sweep(fleet: Fleet, worker: Worker) -> None:
    """New organizations get their first token, however long the sweep takes."""
    worker.runtime.hold = True
    look_once(fleet)
    fleet.configure({name(number): keys(number) for number in range(MANY + 1)})
    worker.tick()
    sweep, flight = worker.runtime.held
    flight()
    assert fleet.canvas.calls == [Kind.AUTHENTICATE]
    assert sweep is worker.runtime.held[0]


def test_who_asks_while_others_are_launched_is_not_forgotten(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came due meanwhile is begun without another tick."""
    flights, rounds = worker.broker._flights, []
    take_due = flights._take_due

    def take(now: float, looks: int | None, most: int, permits: tuple[int, int]) -> Due:
        rounds.append(looks)
        if len(rounds) == 1:
            flights.launch_due()  # as another thread does, in the middle of it
        return take_due(now, looks, most, permits)

    monkeypatch.setattr(flights, "_take_due", take)
    worker.tick()
    assert len(rounds) == 2


def test_who_comes_shares_the_look(fleet: Fleet, worker: Worker) -> None:
    """A caller who wants another token waits for the look, and then for a flight of its own."""
    given = worker.ask(name(0))
    fleet.clock.sleep(11)
    worker.runtime.hold = True
    look_once(fleet)
    later: list[float] = []
    fleet.clock.later(0.5, lambda: release(worker, later))
    other = worker.ask(name(0), rejected=given.generation)
    assert other.generation > given.generation
    assert fleet.canvas.calls == [Kind.REFRESH]


def release(worker: Worker, later: list[float]) -> None:
    """Let all flights go on, now and from now on."""
    later.append(worker.clock.monotonic())
    worker.runtime.hold = False
    worker.runtime.release()


def test_one_that_fails_is_its_own_affair(fleet: Fleet, worker: Worker) -> None:
    """The others are looked at; of it operators hear."""
    read_each = worker.link.read_each

    def break_one(asked: Sequence[Question]) -> list[Answer]:
        del worker.link.read_each
        first, _, *others = read_each(asked)
        return [first, no_number, *others]

    worker.link.read_each = break_one  # type: ignore[method-assign]
    for number in range(MANY):
        place(fleet, number)
    look_once(fleet)
    crashed = [line for line in worker.notes.lines if line.endswith("crashed ZeroDivisionError")]
    (line,) = crashed
    mine = {f"access-{number + 1}" for number in range(MANY)}
    tokens = {name(one): worker.ask(name(one)).access_token.reveal() for one in range(MANY)}
    assert [one for one, token in tokens.items() if token in mine] == [line.split()[0]]


def no_number() -> NoReturn:
    """Fail as nobody foresaw."""
    raise ZeroDivisionError


def test_redis_that_is_silent(fleet: Fleet, worker: Worker) -> None:
    """All know it; all are served from memory, and looked at again when it answers."""
    worker.link.read_each = no_answer  # type: ignore[method-assign]
    look_once(fleet)
    assert not any(one.store_answers for one in worker.broker.health())
    assert worker.ask(name(7)).expires_in > 0
    del worker.link.read_each
    look_once(fleet)
    assert all(one.store_answers for one in worker.broker.health())


def no_answer(asked: object) -> NoReturn:
    """Fail as Redis does."""
    del asked
    raise StoreUnavailableError("silent")


def test_what_nobody_foresaw(fleet: Fleet, worker: Worker) -> None:
    """It ends neither the refresher nor the looks."""
    worker.link.read_each = no_thread  # type: ignore[assignment, method-assign]
    look_once(fleet)
    assert worker.notes.lines[-MANY:] == [
        f"{name(number)} crashed RuntimeError" for number in range(MANY)
    ]
    del worker.link.read_each
    look_once(fleet)
    assert all(one.store_answers for one in worker.broker.health())


def test_without_a_thread(fleet: Fleet, worker: Worker) -> None:
    """All that were to be looked at are tried again later."""
    spawn, worker.runtime.spawn = worker.runtime.spawn, no_thread  # type: ignore[method-assign]
    look_once(fleet)
    worker.runtime.spawn = spawn  # type: ignore[method-assign]
    forget(fleet)
    fleet.run(3)
    assert worker.link.counts["read"] >= MANY


def test_without_a_thread_for_what_a_sweep_found(fleet: Fleet, worker: Worker) -> None:
    """Redis lost all records, and no thread can be begun: each is tried once, then later."""
    spawn, tried = worker.runtime.spawn, []
    fleet.flush()

    def fail(work: object) -> NoReturn:
        tried.append(work)
        raise RuntimeError("can't start new thread")

    worker.runtime.spawn_sweep = spawn  # type: ignore[method-assign]
    worker.runtime.spawn = fail  # type: ignore[method-assign]
    look_once(fleet)
    assert len(tried) == MANY
    worker.runtime.spawn = spawn  # type: ignore[method-assign]
    fleet.run(4)
    assert all(store(fleet, number).read(0).generation for number in range(MANY))


def test_work_that_was_given_up_does_nothing_later(fleet: Fleet, worker: Worker) -> None:
    """A pool runs what it had no thread for once it has one: by then others fly."""
    late: list[Callable[[], None]] = []

    def keep(work: Callable[[], None]) -> NoReturn:
        late.append(work)
        raise RuntimeError("can't start new thread")

    spawn = worker.runtime.spawn
    worker.runtime.spawn = keep  # type: ignore[method-assign]
    look_once(fleet)
    worker.broker._flights.launch(worker.broker._organizations[name(0)], lambda copy: copy is None)
    worker.runtime.spawn = spawn  # type: ignore[method-assign]
    worker.runtime.hold = True
    fleet.run(3)
    under_way = dict(worker.broker._flights._flights)
    assert len(under_way) == TOGETHER
    forget(fleet)
    for work in late:
        work()
    assert not worker.link.counts
    assert worker.broker._flights._flights == under_way


def test_work_that_is_given_up_while_it_runs_ends_itself_alone(worker: Worker) -> None:
    """A pool may run it and raise all the same: the flight begun since is another one."""
    flights, organization = worker.broker._flights, worker.broker._organizations[name(0)]

    def give_up() -> None:
        flights._end_all(dict(flights._flights))
        worker.runtime.hold = True
        later.append(flights.launch(organization, lambda copy: copy is None))

    later: list[Flight] = []
    worker.link.before["read"] = give_up
    flights.launch(organization, lambda copy: copy is None)
    assert flights._flights == {organization: later[0]}


def test_a_newer_record_is_taken(fleet: Fleet, worker: Worker) -> None:
    """What another process committed is served from then on."""
    before = worker.ask(name(5))
    place(fleet, 5)
    look_once(fleet)
    assert worker.ask(name(5)).generation > before.generation
    assert not fleet.canvas.calls


def place(fleet: Fleet, number: int) -> None:
    """Commit a record as another process does."""
    there = store(fleet, number)
    snapshot = there.read(0)
    assert snapshot.record is not None
    later = snapshot.generation + 1
    record = replace(snapshot.record, access_token=Secret("other"), provisional=later)
    there.commit("other", snapshot.generation, record, None)


def test_a_refused_one_is_replaced_at_once(fleet: Fleet, worker: Worker) -> None:
    """Another process reported it: the flight follows the look, without a tick."""
    fleet.clock.sleep(11)
    generation = worker.ask(name(5)).generation
    assert store(fleet, 5).report(generation) is ReportStatus.ACCEPTED
    look_once(fleet)
    assert fleet.canvas.calls == [Kind.REFRESH]
    assert worker.ask(name(5)).generation > generation


def test_a_report_outlives_an_older_look(fleet: Fleet, worker: Worker) -> None:
    """Redis was asked before it was reported, and its answer is heeded after."""
    fleet.clock.sleep(11)
    generation = worker.ask(name(5)).generation
    organization = worker.broker._organizations[name(5)]
    read_each = worker.link.read_each

    def report_meanwhile(asked: Sequence[Question]) -> list[Answer]:
        answers = read_each(asked)
        if organization.binding.store in {one for one, _ in asked}:
            fleet.clock.sleep(0.01)
            report(organization, generation, worker.broker._tools, lambda _: None)
        return answers

    worker.link.read_each = report_meanwhile  # type: ignore[method-assign]
    look_once(fleet)
    assert fleet.canvas.calls == [Kind.REFRESH]


def test_lost_ones_are_put_back_at_once(fleet: Fleet, worker: Worker) -> None:
    """Redis lost all of them: each is back after the next look, as few at once as ever."""
    fleet.flush()
    look_once(fleet)
    assert worker.link.counts["republish"] == MANY
    assert all(store(fleet, number).read(0).generation for number in range(MANY))
    assert not fleet.canvas.calls


def test_replaced_keys_during_a_sweep(fleet: Fleet, worker: Worker) -> None:
    """The answer belongs to the old ones; the new ones log in at once."""
    worker.runtime.hold = True
    look_once(fleet)
    others = {name(number): keys(number) for number in range(1, MANY)}
    worker.link.before["read"] = lambda: fleet.configure({name(0): credentials("d"), **others})
    worker.runtime.hold = False
    worker.runtime.release()
    fleet.run(1)
    assert fleet.canvas.calls == [Kind.AUTHENTICATE]


def test_one_dropped_during_a_sweep(fleet: Fleet, worker: Worker) -> None:
    """It is not looked at again."""
    worker.runtime.hold = True
    look_once(fleet)
    others = {name(number): keys(number) for number in range(1, MANY)}
    worker.link.before["read"] = lambda: fleet.configure(others)
    worker.runtime.hold = False
    worker.runtime.release()
    forget(fleet)
    fleet.run(0.8)
    assert worker.link.counts == {"read": MANY - 1}


def test_a_token_lives_no_longer_than_redis_says(fleet: Fleet, worker: Worker) -> None:
    """It is reckoned from before the question, however long the answer took."""
    place(fleet, 5)
    worker.link.seconds = 0.01
    look_once(fleet)
    copy = worker.broker._organizations[name(5)].copy
    record = store(fleet, 5).read(0).record
    assert copy is not None
    assert record is not None
    assert copy.record.generation == record.generation
    left = record.expires_at - fleet.server.now()
    assert left - 0.5 < copy.remaining(worker.clock.monotonic()) <= left
