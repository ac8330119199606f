"""Changes that are told: what they save, and that nothing rests on them."""

from typing import Any

import pytest

from broker.errors import AmbiguousError
from broker.feed import Change
from broker.policy.feed import LATE, NET, SILENCE
from broker.policy.flight import FOLLOW_NET
from broker.policy.organization import Organization
from broker.policy.schedule import IN_USE
from broker.ports import Slot
from broker.store_faults import Reason, StoreFault
from broker.tokens import Kind
from tests.fakes import credentials
from tests.policy.fleet import ACME, KEEP_WARM, KEYS, LIMITS, NEW_KEYS, Fleet, Worker
from tests.policy.fleet import commit_elsewhere as commit
from tests.policy.test_many_organizations import keys

LOST = Reason(StoreFault.CONNECTION)


@pytest.fixture(autouse=True)
def _told(fleet: Fleet) -> None:
    """Give each worker a token, and let it hear of changes."""
    for worker in fleet.workers:
        worker.ask()
    fleet.connect()
    fleet.run(1, asking=True, telling=True)
    for worker in fleet.workers:
        worker.link.counts.clear()
        worker.link.sweeps.clear()


def reads(worker: Worker) -> int:
    """Return how often the worker has looked since the last time."""
    return worker.link.counts.pop("read", 0)


class TestWhatIsTold:
    def test_is_served_at_once(self, fleet: Fleet, worker: Worker, other: Worker) -> None:
        """By every worker, with one look each and no time passed."""
        before = fleet.clock.monotonic()
        commit(fleet)
        fleet.tell()
        assert (reads(worker), reads(other)) == (1, 1)
        assert worker.token() == other.token() == "access-elsewhere"
        assert fleet.clock.monotonic() == before
        assert (reads(worker), reads(other)) == (0, 0)

    def test_nothing_is_kept_to_wait_with(self, fleet: Fleet, worker: Worker) -> None:
        """An event is a kilobyte for each organization; it ends with the flight."""
        found = worker.broker.find(ACME)
        assert found is not None
        assert found.copy is not None
        assert found.binding.changed is None

    def test_twice_is_looked_at_once(self, fleet: Fleet, worker: Worker) -> None:
        """What is known is no news, nor is what is older."""
        commit(fleet)
        told = list(fleet.told)
        fleet.tell()
        older = told[0]._replace(generation=told[0].generation - 1)
        worker.broker.changes.heard([*told, *told, older])
        assert reads(worker) == 1

    def test_of_other_credentials_or_organizations(self, fleet: Fleet, worker: Worker) -> None:
        """Is no news here."""
        other = Change(ACME, credentials("c").version, 0)
        worker.broker.changes.heard([other, Change("nobody", KEYS.version, 0)])
        assert reads(worker) == 0
        fleet.check()

    def test_while_a_look_is_under_way(
        self, fleet: Fleet, worker: Worker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Is looked for after it: the look came too soon."""
        adopt = Organization.adopt

        def adopt_and_hear(organization: Organization, *seen: Any) -> None:
            adopt(organization, *seen)
            monkeypatch.undo()
            commit(fleet)
            fleet.tell()

        monkeypatch.setattr(Organization, "adopt", adopt_and_hear)
        worker.broker.changes.heard([Change(ACME, KEYS.version, 0)])
        assert reads(worker) == 2
        assert worker.token() == "access-elsewhere"

    def test_a_report(self, fleet: Fleet, worker: Worker, other: Worker) -> None:
        """Another worker refreshes the token that a caller has reported."""
        fleet.run(11, asking=True, telling=True)
        worker.runtime.hold = True
        generation = other.ask().generation
        fleet.server.open(ACME, KEYS).report(generation)
        fleet.tell()
        assert fleet.canvas.calls[-1] is Kind.REFRESH
        assert other.ask().generation > generation

    def test_of_one_that_nobody_asks_for(self, fleet: Fleet, worker: Worker) -> None:
        """Costs nothing until somebody does; then the request looks."""
        fleet.clock.sleep(KEEP_WARM - 1)
        fleet.run(2, telling=True)
        reads(worker)
        commit(fleet)
        fleet.tell()
        assert reads(worker) == 0
        assert worker.token() == "access-elsewhere"


class TestTheNet:
    def test_looks_are_few(self, fleet: Fleet, worker: Worker) -> None:
        """One in 30 s or less, and a request makes none."""
        fleet.run(120, asking=True, telling=True)
        assert 120 / NET <= reads(worker) <= 6

    def test_what_was_not_told_is_found(self, fleet: Fleet, worker: Worker) -> None:
        """Within 30 s, while somebody asks."""
        commit(fleet)
        fleet.told.clear()
        fleet.run(NET, asking=True, telling=True)
        assert worker.token() == "access-elsewhere"

    def test_by_a_request_where_no_look_is_planned(self, fleet: Fleet, worker: Worker) -> None:
        """A copy that nobody asked for is not served beyond that, either."""
        fleet.run(IN_USE + 1, telling=True)
        commit(fleet)
        fleet.told.clear()
        fleet.run(NET * LATE, telling=True)
        assert worker.token() == "access-elsewhere"

    @pytest.mark.parametrize("seconds", [1.0, 1.3, 2.0, 30.0, 37.0, 37.6])
    @pytest.mark.parametrize("works", [True, False])
    @pytest.mark.parametrize("unsettled", [True, False])
    def test_memory_tells_as_much_in_either_way(
        self, fleet: Fleet, worker: Worker, seconds: float, *, works: bool, unsettled: bool
    ) -> None:
        """What is served without a thread is as old as what is served on one."""
        organization = worker.broker._organizations[ACME]
        fleet.clock.sleep(organization.looked + seconds - worker.clock.monotonic())
        worker.broker.changes.heard([])
        if not works:
            worker.broker._feed.end()
        organization.unsettled = unsettled
        at_hand = worker.broker.at_hand(organization, worker.clock.monotonic())
        reads(worker)
        worker.ask()
        assert (at_hand is None) == (reads(worker) > 0)

    def test_silence_ends_it(self, fleet: Fleet, worker: Worker) -> None:
        """Without a sign of life a look is due each second, as a request sees to."""
        fleet.clock.sleep(SILENCE)
        commit(fleet)
        assert worker.token() == "access-elsewhere"

    def test_a_loss_makes_all_due(self, fleet: Fleet, worker: Worker) -> None:
        """At once, and then each second."""
        worker.broker.changes.lost(LOST)
        assert reads(worker) == 1
        fleet.run(30, asking=True)
        assert reads(worker) >= 30
        assert "feed down connection" in worker.notes.lines

    def test_a_connection_makes_all_due(self, fleet: Fleet, worker: Worker) -> None:
        """What was told before was not heard."""
        commit(fleet)
        fleet.told.clear()
        worker.broker.changes.connected()
        assert reads(worker) == 1
        assert worker.token() == "access-elsewhere"
        assert worker.notes.lines.count("feed up") == 2

    def test_all_are_looked_at_together(self, fleet: Fleet, worker: Worker) -> None:
        """As by any sweep; those that nobody asks for, by who asks next."""
        fleet.configure({f"org-{number}": keys(number) for number in range(40)})
        fleet.canvas.latency = 0.0
        fleet.run(IN_USE + 2, telling=True)
        worker.ask("org-1")
        worker.ask("org-2")
        fleet.run(1, telling=True)
        reads(worker)
        worker.link.sweeps.clear()
        worker.broker.changes.connected()
        assert worker.link.sweeps == [2]
        reads(worker)
        worker.ask("org-3")
        assert reads(worker) >= 1

    def test_one_in_flight_is_looked_at_again(
        self, fleet: Fleet, worker: Worker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its flight may have looked before."""
        adopt = Organization.adopt

        def adopt_and_connect(organization: Organization, *seen: Any) -> None:
            adopt(organization, *seen)
            monkeypatch.undo()
            commit(fleet)
            fleet.told.clear()
            worker.broker.changes.connected()

        monkeypatch.setattr(Organization, "adopt", adopt_and_connect)
        worker.broker.changes.heard([Change(ACME, KEYS.version, 0)])
        assert worker.token() == "access-elsewhere"

    def test_a_loss_of_one_record_makes_all_due(self, fleet: Fleet, worker: Worker) -> None:
        """A server that has lost one may have lost others, and tells nobody."""
        fleet.configure({ACME: KEYS, "bolt": keys(1)})
        fleet.run(1, asking=True, telling=True)
        worker.ask("bolt")
        fleet.run(1, telling=True)
        lost = fleet.shelf(keys(1), "bolt").generation
        fleet.flush()
        worker.broker.changes.heard([Change(ACME, KEYS.version, 0)])
        assert fleet.shelf(keys(1), "bolt").generation == 0
        fleet.told.clear()
        fleet.tell()
        assert fleet.shelf(keys(1), "bolt").generation == lost


class TestWhereLossWouldBeFelt:
    def test_no_token_is_left(self, fleet: Fleet, worker: Worker) -> None:
        """A backoff that another worker's success has ended keeps nobody from its token."""
        worker.runtime.chance = 1.0
        fleet.canvas.errors = [AmbiguousError("timeout")] * 100
        fleet.clock.sleep(700)
        for _ in range(4):
            fleet.tell()
            worker.refused()
            fleet.clock.sleep(LIMITS.backoff_empty)
        fleet.tell()
        assert worker.health().next_attempt_in == LIMITS.backoff_empty
        commit(fleet)
        fleet.told.clear()
        fleet.run(LIMITS.revalidate, telling=True)
        assert worker.token() == "access-elsewhere"

    def test_redis_fails(self, fleet: Fleet, worker: Worker) -> None:
        """It is tried each second, and its recovery is found in one."""
        worker.link.down = True
        worker.broker.changes.heard([Change(ACME, KEYS.version, 0)])
        assert not worker.health().store_answers
        worker.link.down = False
        fleet.run(LIMITS.revalidate, telling=True)
        assert worker.health().store_answers

    def test_a_token_turns_stale(self, fleet: Fleet, worker: Worker) -> None:
        """It is refreshed when it is due, not when a look happens to be."""
        fleet.run(402, asking=True, telling=True)
        assert fleet.canvas.calls == [Kind.AUTHENTICATE, Kind.REFRESH]

    def test_keys_are_replaced(self, fleet: Fleet, worker: Worker) -> None:
        """The new ones are used at once."""
        fleet.configure({ACME: NEW_KEYS})
        fleet.run(1, asking=True, telling=True)
        assert fleet.canvas.versions[-1] == NEW_KEYS.version


class TestWaiting:
    def test_for_what_is_told(self, fleet: Fleet, worker: Worker) -> None:
        """Who follows another worker's attempt looks when its end is told, and not before."""
        fleet.clock.sleep(700)
        generation = fleet.shelf().generation
        fleet.server.open(ACME, KEYS).acquire("elsewhere", generation, Slot.NONE)
        fleet.tell()
        reads(worker)
        began = fleet.clock.monotonic()
        fleet.clock.later(0.5, lambda: commit(fleet))
        fleet.clock.later(0.5, fleet.tell)
        assert worker.token() == "access-elsewhere"
        assert fleet.clock.monotonic() - began <= 0.7
        assert reads(worker) == 3
        worker.tick()
        assert reads(worker) == 0

    def test_for_what_is_not_told(self, fleet: Fleet, worker: Worker) -> None:
        """A look each second finds it all the same."""
        fleet.clock.sleep(700)
        generation = fleet.shelf().generation
        fleet.server.open(ACME, KEYS).acquire("elsewhere", generation, Slot.NONE)
        fleet.tell()
        began = fleet.clock.monotonic()
        fleet.clock.later(0.5, lambda: commit(fleet))
        assert worker.token() == "access-elsewhere"
        assert fleet.clock.monotonic() - began <= FOLLOW_NET + 0.2
