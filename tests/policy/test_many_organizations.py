"""What a thousand organizations cost, by counting: only those in use, and only tokens due."""

from collections import Counter

import pytest

from broker.credentials import Credentials
from broker.policy.calls import AT_ONCE
from broker.policy.room import BRIEF, BRIEF_AT_ONCE
from broker.secret import Secret
from broker.threads import FLIGHTS
from broker.tokens import Kind, State
from tests.memory_store.server import MemoryRecordStore
from tests.policy.fleet import KEEP_WARM, Fleet, Worker

IN_USE = 20
REFRESHED_EVERY = 400
"""Seconds from one token to the next: a life of 600, a margin of 200."""


def keys(number: int) -> Credentials:
    """Return made-up credentials; another number gives another version."""
    return Credentials(Secret(f"{number:064x}"), Secret(f"00000000-0000-4000-8000-{number:012x}"))


def let_go(organizations: int) -> Fleet:
    """Return one worker with so many organizations, whose tokens are not kept warm any more."""
    fleet = Fleet(1)
    fleet.canvas.latency = 0.0
    fleet.configure({f"org-{number}": keys(number) for number in range(organizations)})
    fleet.run(1)
    fleet.clock.sleep(KEEP_WARM)
    fleet.run(1)
    only(fleet).link.counts.clear()
    fleet.canvas.calls.clear()
    fleet.canvas.versions.clear()
    return fleet


def only(fleet: Fleet) -> Worker:
    """Return its one worker."""
    return fleet.workers[0]


def use(fleet: Fleet, seconds: int, names: list[str]) -> list[float]:
    """Ask for each organization once a second; return how long each request took."""
    took = []
    for _ in range(seconds):
        fleet.run(1)
        for name in names:
            began = fleet.clock.monotonic()
            only(fleet).ask(name)
            took.append(fleet.clock.monotonic() - began)
    return took


def first(count: int) -> list[str]:
    """Return the names of the first organizations."""
    return [f"org-{number}" for number in range(count)]


def spent(organizations: int, in_use: int, seconds: int) -> tuple[Counter[str], list[Kind]]:
    """Return the store operations and upstream calls of a worker with some in use."""
    fleet = let_go(organizations)
    use(fleet, seconds, first(in_use))
    fleet.check()
    return only(fleet).link.counts, fleet.canvas.calls


def test_idle_ones_cost_nothing() -> None:
    """A thousand that nobody asks for cause no store operation and no call in ten minutes."""
    fleet = let_go(1000)
    fleet.run(600)
    assert not only(fleet).link.counts
    assert not fleet.canvas.calls


def test_twenty_among_a_thousand_cost_as_much_as_twenty_alone() -> None:
    """Looks, leases, commits and upstream calls are the same to the last one."""
    among, alone = spent(1000, IN_USE, 120), spent(IN_USE, IN_USE, 120)
    assert among == alone
    assert among[0]["read"] >= 120 * IN_USE


def test_work_grows_with_those_in_use() -> None:
    """Twice as many in use, twice the work: nothing else is in the sum."""
    some, twice = spent(100, 10, 120), spent(100, 20, 120)
    assert twice[0] == Counter({name: 2 * count for name, count in some[0].items()})
    assert len(twice[1]) == 2 * len(some[1])


def test_only_due_tokens_cause_attempts() -> None:
    """In an hour of use each of the twenty is refreshed when it is due; nobody else is."""
    fleet = let_go(1000)
    use(fleet, 3600, first(IN_USE))
    assert set(fleet.canvas.versions) == {keys(number).version for number in range(IN_USE)}
    due = 1 + 3600 // REFRESHED_EVERY
    assert IN_USE * (due - 1) <= len(fleet.canvas.calls) <= IN_USE * due
    counts = only(fleet).link.counts
    assert counts["acquire"] == counts["commit"] == len(fleet.canvas.calls)


def test_kept_warm_ones_cost_what_is_due() -> None:
    """A thousand that were asked for within the hour: one look, lease and commit per refresh."""
    fleet = Fleet(1)
    fleet.canvas.latency = 0.0
    fleet.configure({f"org-{number}": keys(number) for number in range(1000)})
    fleet.run(15)
    only(fleet).link.counts.clear()
    fleet.run(REFRESHED_EVERY)
    assert only(fleet).link.counts == {"read": 1000, "acquire": 1000, "commit": 1000}


@pytest.mark.parametrize("stuck", [0, 7])
def test_one_whose_call_hangs_delays_no_other(stuck: int) -> None:
    """Its flight does not come back for twenty minutes: the others neither wait nor pay."""
    fleet, undisturbed = let_go(100), let_go(100)
    others = [name for name in first(IN_USE) if name != f"org-{stuck}"]
    for each in (fleet, undisturbed):
        each.clock.sleep(700)  # every token dies
        each.run(1)
    runtime = only(fleet).runtime
    runtime.hold = True
    only(fleet).refused(f"org-{stuck}")
    runtime.hold = False
    only(fleet).link.counts.clear()
    assert max(use(fleet, 1200, others)) == max(use(undisturbed, 1200, others)) == 0.0
    assert only(fleet).link.counts == only(undisturbed).link.counts
    assert len(fleet.canvas.calls) == len(undisturbed.canvas.calls) >= 3 * len(others)
    assert len(runtime.held) == 1


class TestColdStart:
    """A thousand organizations are due at once."""

    @pytest.fixture
    def fleet(self) -> Fleet:
        """Give a worker whose flights stay in the air until they are let go."""
        fleet = Fleet(1)
        fleet.canvas.latency = 0.0
        fleet.run(1)  # has tried whether Redis takes writes
        fleet.canvas.calls.clear()
        fleet.canvas.versions.clear()
        fleet.configure({f"org-{number}": keys(number) for number in range(1000)})
        only(fleet).runtime.hold = True
        return fleet

    def test_few_at_once(self, fleet: Fleet) -> None:
        """The rest costs neither memory nor threads until it is its turn."""
        for _ in range(3):
            only(fleet).tick()
        assert len(only(fleet).runtime.held) == BRIEF_AT_ONCE

    def test_more_beside_those_that_take_long(self, fleet: Fleet) -> None:
        """Who waits for Canvas needs no processor; but there is an end to it."""
        held = []
        for _ in range(8):
            only(fleet).tick()
            held.append(len(only(fleet).runtime.held))
            fleet.clock.sleep(BRIEF)
        assert held == [8, 16, 24, 32, 32, 32, 32, 32]
        assert held[-1] == AT_ONCE

    def test_one_that_ends_makes_room_at_once(self, fleet: Fleet) -> None:
        """Without a tick: else a thousand flights would take half a minute."""
        worker = only(fleet)
        worker.tick()
        worker.runtime.held.pop()()
        assert len(worker.runtime.held) == BRIEF_AT_ONCE
        worker.runtime.hold = False
        worker.runtime.release()
        assert len(fleet.canvas.versions) == len(set(fleet.canvas.versions)) == 1000

    def test_a_caller_comes_first(self, fleet: Fleet) -> None:
        """Its organization's flight begins at once, and there is a thread for it."""
        worker = only(fleet)
        for _ in range(8):
            worker.tick()
            fleet.clock.sleep(BRIEF)
        worker.refused("org-999")
        assert len(worker.runtime.held) == AT_ONCE + 1 < FLIGHTS
        worker.runtime.hold = False
        worker.runtime.held[-1]()
        assert worker.ask("org-999").expires_in > 0

    def test_a_process_that_stops_begins_none(self, fleet: Fleet) -> None:
        """What flies ends; nothing comes after it, and nothing is told as a defect."""
        worker = only(fleet)
        worker.tick()
        spawn, worker.runtime.spawn = worker.runtime.spawn, no_thread  # type: ignore[method-assign]
        assert not worker.broker.finish(1.0)
        worker.runtime.release()
        worker.tick()
        worker.runtime.spawn = spawn  # type: ignore[method-assign]
        assert len(fleet.canvas.calls) == BRIEF_AT_ONCE
        assert not [line for line in worker.notes.lines if "crashed" in line]

    def test_without_threads_it_goes_on_later(self, fleet: Fleet) -> None:
        """Where no thread can be begun, all are tried again after their pause."""
        worker = only(fleet)
        spawn, worker.runtime.spawn = worker.runtime.spawn, no_thread  # type: ignore[method-assign]
        worker.tick()
        worker.runtime.spawn, worker.runtime.hold = spawn, False  # type: ignore[method-assign]
        fleet.run(3)
        assert len(set(fleet.canvas.versions)) == 1000


def test_one_that_flies_while_others_are_still_read_is_not_lost() -> None:
    """A thousand files take a while; the flights of the first end before the last are known."""
    fleet = Fleet(1)
    worker = only(fleet)
    fleet.canvas.latency = 0.0

    def open_and_tick(organization: str, credentials: Credentials) -> MemoryRecordStore:
        worker.tick()
        return fleet.server.open(organization, credentials)

    worker.link.open = open_and_tick  # type: ignore[method-assign]
    fleet.configure({f"org-{number}": keys(number) for number in range(5)})
    for _ in range(1500):
        fleet.run(1)
        worker.ask("org-3")
    fleet.run(1)
    assert {one.state for one in worker.broker.health()} <= {State.FRESH, State.STALE}


def no_thread(work: object) -> None:
    """Fail as an exhausted machine does."""
    del work
    raise RuntimeError("can't start new thread")
