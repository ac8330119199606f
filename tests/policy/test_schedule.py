"""When each organization is looked at: work grows with the tokens due, not with the configured."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from broker.errors import AmbiguousError
from broker.policy.organization import Organization
from broker.policy.pause import Pause
from broker.policy.schedule import Schedule
from broker.policy.values import Binding, Copy
from broker.secret import Secret
from broker.tokens import Kind, Record
from tests.fakes import credentials
from tests.policy.fleet import KEEP_WARM, KEYS, LIMITS, Fleet, Worker

MANY = 1000
NONE: tuple[list[Organization], list[Organization]] = ([], [])
THOUSAND = {f"org-{number}": credentials("c") for number in range(1000)}


@pytest.fixture
def alone(fleet: Fleet, worker: Worker) -> Worker:
    """Give the only worker of its fleet."""
    fleet.workers[1:] = []
    return worker


def organization(name: str = "acme", now: float = 0.0) -> Organization:
    """Return an organization that nobody asks for."""
    store = Fleet(1).server.open(name, KEYS)
    return Organization(name, Binding(KEYS, store), LIMITS, now)


def fresh(name: str = "acme") -> Organization:
    """Return an organization that has a fresh token: it is looked at, and no more."""
    made = organization(name)
    record = Record(1, 1, Secret("access"), 600.0, 600.0, 200.0, Secret("refresh"), 86400.0)
    assert made.install(Copy(record, KEYS.version, 600.0, 0.0))
    return made


class TestQueue:
    def test_due_once(self) -> None:
        """What is due is taken, in the order of time; taken once, it is gone."""
        schedule = Schedule(LIMITS, KEEP_WARM)
        late, soon, later = (fresh(name) for name in ("late", "soon", "later"))
        schedule.plan(late, 5.0)
        schedule.plan(soon, 1.0)
        schedule.plan(later, 9.0)
        assert schedule.take_due(5.0, MANY, MANY) == ([soon, late], [])
        assert schedule.take_due(5.0, MANY, MANY) == NONE
        assert schedule.take_due(9.0, MANY, MANY) == ([later], [])

    def test_no_more_looks_than_wanted(self) -> None:
        """The rest stays due, in its order."""
        schedule = Schedule(LIMITS, KEEP_WARM)
        first, second, third = (fresh(name) for name in ("first", "second", "third"))
        for at, one in enumerate((first, second, third)):
            schedule.plan(one, float(at))
        assert schedule.take_due(9.0, 2, MANY) == ([first, second], [])
        assert schedule.take_due(9.0, 0, MANY) == NONE
        assert schedule.take_due(9.0, 2, MANY) == ([third], [])

    def test_no_more_flights_than_wanted(self) -> None:
        """The rest stands in line, in its order, and keeps nobody from being looked at."""
        schedule = Schedule(LIMITS, KEEP_WARM)
        first, second, third = (organization(name) for name in ("first", "second", "third"))
        last = fresh("last")
        for at, one in enumerate((first, second, third, last)):
            schedule.plan(one, float(at))
        assert schedule.take_due(9.0, MANY, 2) == ([last], [first, second])
        assert schedule.take_due(9.0, MANY, 0) == NONE
        assert schedule.take_due(9.0, MANY, -1) == NONE
        assert schedule.take_due(9.0, MANY, 2) == ([], [third])

    @pytest.mark.parametrize("in_line", [False, True])
    @pytest.mark.parametrize("make", [fresh, organization])
    @pytest.mark.parametrize("second", [0.5, 1.0, 7.0])
    def test_planned_again(
        self, second: float, make: Callable[[], Organization], *, in_line: bool
    ) -> None:
        """The last plan counts, be it earlier, the same or later."""
        schedule, acme = Schedule(LIMITS, KEEP_WARM), make()
        schedule.plan(acme, 1.0)
        if in_line:
            assert schedule.take_due(1.0, 0, 0) == NONE
        schedule.plan(acme, second)
        if not in_line or second > 1.0:
            assert schedule.take_due(second - 0.1, MANY, MANY) == NONE
        due = schedule.take_due(second, MANY, MANY)
        assert [*due.looks, *due.flights] == [acme]
        assert schedule.take_due(100.0, MANY, MANY) == NONE

    @pytest.mark.parametrize("in_line", [False, True])
    @pytest.mark.parametrize("make", [fresh, organization])
    def test_dropped(self, make: Callable[[], Organization], *, in_line: bool) -> None:
        """What was dropped is not due any more; dropping it again does no harm."""
        schedule, acme = Schedule(LIMITS, KEEP_WARM), make()
        schedule.plan(acme, 1.0)
        assert schedule.take_due(1.0 if in_line else 0.0, 0, 0) == NONE
        schedule.drop(acme)
        schedule.drop(acme)
        assert schedule.take_due(100.0, MANY, MANY) == NONE

    def test_no_look_keeps_a_flight_waiting(self) -> None:
        """Nor a flight a look: each kind stands in a line of its own."""
        schedule = Schedule(LIMITS, KEEP_WARM)
        first, second, third = fresh("first"), organization("second"), fresh("third")
        for at, one in enumerate((first, second, third)):
            schedule.plan(one, float(at))
        assert schedule.take_due(9.0, 0, 1) == ([], [second])
        assert schedule.take_due(9.0, 1, 1) == ([first], [])
        assert schedule.take_due(9.0, 1, 1) == ([third], [])

    def test_one_that_may_not_be_tried_is_looked_at(self) -> None:
        """A backoff forbids the attempt; its end may be told by the look."""
        schedule, acme = Schedule(LIMITS, KEEP_WARM), organization()
        acme.pause = Pause(10.0, 1, "timeout", latched=False)
        schedule.plan(acme, 1.0)
        assert schedule.take_due(9.9, 1, 1) == ([acme], [])
        schedule.plan(acme, 1.0)
        assert schedule.take_due(10.0, 1, 1) == ([], [acme])

    def test_where_none_are_looked_at_together(self) -> None:
        """Each takes a flight of its own, fresh or not."""
        schedule, acme = Schedule(LIMITS, KEEP_WARM), fresh()
        schedule.plan(acme, 1.0)
        assert schedule.take_due(1.0, None, 1) == ([], [acme])


class TestInUse:
    def test_once_a_second(self, fleet: Fleet, alone: Worker) -> None:
        """An organization that is asked for is looked at about once a second, never later."""
        alone.ask()
        alone.link.counts.clear()
        fleet.run(100, asking=True)
        assert 100 <= alone.link.counts["read"] <= 134

    def test_never_later_than_a_second(self, fleet: Fleet, alone: Worker) -> None:
        """Between two looks lies at most a second."""
        times: list[float] = []

        def note() -> None:
            times.append(fleet.clock.monotonic())
            alone.link.before["read"] = note

        alone.link.before["read"] = note
        fleet.run(30, asking=True)
        assert max(later - earlier for earlier, later in pairwise(times)) <= 1.0

    def test_no_look_by_each_request(self, fleet: Fleet, alone: Worker) -> None:
        """A thousand requests cost Redis no more than one."""
        alone.ask()
        alone.link.counts.clear()
        for _ in range(20):
            fleet.run(0.5)
            for _ in range(50):
                alone.ask()
        assert alone.link.counts["read"] <= 14

    def test_ten_seconds_after_the_last_request(self, fleet: Fleet, alone: Worker) -> None:
        """When nobody asks any more, looking ends."""
        fleet.run(5, asking=True)
        fleet.run(12)
        alone.link.counts.clear()
        fleet.run(100)
        assert not alone.link.counts


class TestKeptWarm:
    def test_looked_at_when_stale(self, fleet: Fleet, alone: Worker) -> None:
        """A warm token is refreshed when it turns stale, and costs no look before."""
        alone.ask()
        fleet.run(15)
        alone.link.counts.clear()
        fleet.run(380)
        assert not alone.link.counts
        fleet.run(10)
        assert fleet.canvas.calls == [Kind.AUTHENTICATE, Kind.REFRESH]
        assert alone.link.counts == {"read": 1, "acquire": 1, "commit": 1}

    def test_looked_at_when_its_backoff_ends(self, fleet: Fleet, alone: Worker) -> None:
        """A failed refresh is repeated after its backoff, with no look in between."""
        alone.ask()
        fleet.run(395)
        alone.runtime.chance = 1.0
        fleet.canvas.errors = [AmbiguousError("timeout")] * 4
        fleet.run(8)
        alone.link.counts.clear()
        fleet.run(30)
        assert alone.link.counts["acquire"] <= 4
        assert alone.link.counts["read"] <= 4
        fleet.run(60)
        assert alone.token() == "access-2"

    def test_until_nobody_has_asked_for_long(self, fleet: Fleet, alone: Worker) -> None:
        """An hour after the last request the token is let go."""
        alone.ask()
        fleet.run(KEEP_WARM + 600)
        calls = len(fleet.canvas.calls)
        alone.link.counts.clear()
        fleet.run(3600)
        assert len(fleet.canvas.calls) == calls
        assert not alone.link.counts

    def test_woken_by_a_request(self, fleet: Fleet, alone: Worker) -> None:
        """The first request after that gets a token, and the refresher goes on."""
        alone.ask()
        fleet.run(KEEP_WARM + 1200)
        alone.ask()
        alone.link.counts.clear()
        fleet.run(5)
        assert alone.link.counts["read"] >= 5
        fleet.clock.sleep(500)
        fleet.run(1)
        assert alone.ask().expires_in > 500


class TestManyOrganizations:
    def test_idle_ones_cost_no_reads(self, fleet: Fleet, alone: Worker) -> None:
        """A thousand idle organizations cause not one look while their tokens are fresh."""
        fleet.canvas.latency = 0.0
        fleet.configure(THOUSAND)
        fleet.run(15)
        assert len(fleet.canvas.calls) == 1000
        alone.link.counts.clear()
        for _ in range(60):
            fleet.clock.sleep(1)
            alone.tick()
        assert not alone.link.counts

    def test_only_the_one_in_use_is_looked_at(self, fleet: Fleet, alone: Worker) -> None:
        """Among a thousand, the one that is asked for has its look a second, the rest none."""
        fleet.canvas.latency = 0.0
        fleet.configure(THOUSAND)
        fleet.run(15)
        alone.link.counts.clear()
        for _ in range(20):
            fleet.run(1)
            alone.ask("org-7")
        assert 15 <= alone.link.counts["read"] <= 30

    def test_configured_at_start(self, fleet: Fleet, alone: Worker) -> None:
        """Each organization gets its first token before anybody asks."""
        alone.tick()
        assert fleet.canvas.calls == [Kind.AUTHENTICATE]
        assert alone.health().generation is not None
