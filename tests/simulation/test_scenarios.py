"""Single promises, each on a run made for it; the numbers are those of the invariants."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from broker.emulator.canvas import Behaviour
from broker.ports import Slot
from broker.tokens import State
from tests.simulation.canvas import FAULTS, FLAWS
from tests.simulation.redis import Reach
from tests.simulation.scheduler import Process
from tests.simulation.world import LIMITS, Worker, World, keys_of

OUTAGES = ("internal", "refused", "lost_request", "slow", "throttled")
STRICT = Behaviour(access_lifetime_authenticate=600.0, reuse_revokes_family=True)
"""Each token lives for 600 s and turns stale after 380 to 420 s."""
FROM_EMPTY, FROM_ANYTHING = 50.0, 75.0
SUCCESSION = 35.0
"""Seconds after which a successor has committed: the rest of a lease, and the look after it."""
A_BIT = 0.005
"""Seconds: longer than Redis's reply takes, shorter than anything that Canvas does."""


@contextmanager
def world(
    *, workers: int = 3, callers: int = 1, pause: float = 5.0, lifetime: float = 600.0, **more: int
) -> Iterator[World]:
    """Give a world with one organization, and check at its end that no invariant was broken."""
    behaviour = Behaviour(
        access_lifetime_authenticate=lifetime,
        access_lifetime_refresh=lifetime,
        reuse_revokes_family=True,
    )
    made = World(
        more.get("seed", 1),
        workers=workers,
        organizations=("acme",),
        behaviour=behaviour,
        callers=callers,
        pause=pause,
    )
    made.watch.troubled.add("acme")
    yield made
    made.scheduler.close()
    assert not made.watch.violations, made.describe()


def calls(made: World, organization: str = "acme") -> int:
    """Return how many upstream calls were made for an organization."""
    return sum(len(t) for name, t in made.watch.calls_of.items() if name.startswith(organization))


def break_canvas(made: World, fault: str) -> None:
    """Let every call fail in this way; "" is none."""
    made.canvas.draw = lambda _: fault


def states(made: World) -> set[State]:
    """Return in which states the workers' copies are."""
    return {
        organization.state(worker.clock.monotonic())
        for worker in made.fleet
        for organization in worker.broker._organizations.values()
    }


def until_fresh(made: World) -> float:
    """Let everything work and time pass until all workers have a fresh token; return how long."""
    break_canvas(made, "")
    made.redis.reach = Reach.UP
    began = made.scheduler.now
    while states(made) != {State.FRESH} and made.scheduler.now < began + 200:
        made.run(0.5)
    return made.scheduler.now - began


class TestLoad:
    """Invariant 8: what Canvas is asked depends on the tokens' lives alone."""

    @pytest.mark.parametrize("callers", [1, 20])
    @pytest.mark.parametrize("workers", [1, 4, 8])
    @pytest.mark.parametrize(("revocations", "expected"), [(0, 5), (1, 6)])
    def test_thirty_minutes(
        self, workers: int, callers: int, revocations: int, expected: int
    ) -> None:
        """One Authenticate, then a refresh each 400 s; one more for all who report a token."""
        with world(workers=workers, callers=callers, pause=12.0) as made:
            made.start()
            made.run(500)
            for _ in range(revocations):
                made.canvas.canvas.revoke_organization("acme")
            made.run(1300)
            assert calls(made) == expected


class TestRecovery:
    """Invariant 9: how soon after the end of all faults."""

    @pytest.mark.parametrize("fault", OUTAGES)
    @pytest.mark.parametrize("seconds", [3.0, 47.0, 200.0])
    def test_from_empty(self, fault: str, seconds: float) -> None:
        """Nobody ever had a token."""
        with world() as made:
            break_canvas(made, fault)
            made.start()
            made.run(seconds)
            assert states(made) == {State.EMPTY}
            assert until_fresh(made) <= FROM_EMPTY

    @pytest.mark.parametrize("reach", [Reach.HUNG, Reach.DOWN])
    def test_from_empty_without_redis(self, reach: Reach) -> None:
        """Redis was away from the start."""
        with world() as made:
            made.redis.reach = reach
            made.start()
            made.run(60)
            assert states(made) == {State.EMPTY}
            assert until_fresh(made) <= FROM_EMPTY

    @pytest.mark.parametrize("fault", OUTAGES)
    @pytest.mark.parametrize("disaster", ["hung", "down", "flushed", "restarted", "failed-over"])
    @pytest.mark.parametrize("killed", [0, 2])
    def test_from_anything(self, fault: str, disaster: str, killed: int) -> None:
        """Canvas fails for long, Redis on top of it, and perhaps all workers but one are killed."""
        with world() as made:
            made.start()
            made.run(430)
            break_canvas(made, fault)
            made.run(130)
            strike(made, disaster)
            for worker in made.fleet[1 : 1 + killed]:
                made.crash(worker)
            made.run(25)
            assert until_fresh(made) <= FROM_ANYTHING


def strike(made: World, disaster: str) -> None:
    """Let something happen to Redis."""
    acts: dict[str, Callable[[], None]] = {
        "hung": lambda: setattr(made.redis, "reach", Reach.HUNG),
        "down": lambda: setattr(made.redis, "reach", Reach.DOWN),
        "flushed": made.redis.flush,
        "restarted": made.redis.restart_empty,
        "failed-over": lambda: made.redis.fail_over(2.0, 300.0),
    }
    acts[disaster]()


@pytest.mark.parametrize("life_left", [60.0, 25.0, 4.0, -10.0])
@pytest.mark.parametrize("fault", ["slow", "connect_timeout"])
def test_slowest_request(life_left: float, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Invariant 10: Redis hangs and Canvas is slow; stale, critical, dying and empty all count."""
    with world(workers=2, callers=6, pause=1.0) as made:
        took: list[float] = []
        monkeypatch.setattr(made.watch, "took", lambda process, seconds: took.append(seconds))
        break_canvas(made, "")
        made.start()
        made.run(5)
        break_canvas(made, fault)
        made.run(595 - life_left)
        made.redis.reach = Reach.HUNG
        made.run(60)
        assert 0.5 < max(took) <= LIMITS.request


@pytest.mark.parametrize("lifetime", [300.0, 600.0, 899.0])
@pytest.mark.parametrize("fault", OUTAGES)
def test_short_outage(lifetime: float, fault: str) -> None:
    """Invariant 11: just as the token turns stale, Canvas goes for the margin less 40 s."""
    with world(lifetime=lifetime, pause=0.5, callers=2) as made:
        made.start()
        made.run(5)
        copy = made.fleet[0].broker._organizations["acme"].copy
        assert copy is not None
        stale_in = copy.remaining(made.fleet[0].clock.monotonic()) - copy.record.margin
        made.run(stale_in - 0.1)
        made.watch.answers.clear()
        break_canvas(made, fault)
        made.run(copy.record.margin - 40.5)
        assert until_fresh(made) <= FROM_ANYTHING
        assert set(made.watch.answers) == {"200"}


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize(("fault", "of_the_leader"), [("internal", 1), ("slow", 1), ("refused", 2)])
def test_one_leader_fails(workers: int, fault: str, of_the_leader: int) -> None:
    """Invariant 13: thirty wait for it, no refresher runs, and no call is made but its own."""
    with world(workers=workers) as made:
        drawn: list[str] = []

        def draw(organization: str) -> str:
            drawn.append(organization)
            return fault

        made.canvas.draw = draw
        for number, worker in enumerate(made.fleet * (30 // workers)):
            if number < workers:
                worker.load()
            made.scheduler.spawn(worker.process, f"waiter-{number}", asking(worker))
        made.run(6)
        assert len(drawn) == of_the_leader
        assert made.watch.answers.total() == 30
        assert "200" not in made.watch.answers


def asking(
    worker: Worker, name: str = "acme", caller: str = "app", got: list[bool] | None = None
) -> Callable[[], None]:
    """Return what asks once, and notes whether a token came."""

    def ask() -> None:
        served = worker.ask(name, caller=caller)
        if got is not None:
            got.append(served is not None)

    return ask


class TestFlaws:
    """Answers with a good access token and something odd beside it."""

    @pytest.mark.parametrize("flaw", sorted({*FLAWS} - {"cached"}))
    def test_cost_nothing(self, flaw: str) -> None:
        """A token as often as ever, and nobody waits for one."""
        with world() as made:
            break_canvas(made, flaw)
            made.start()
            made.run(1300)
            assert calls(made) <= 4
            assert State.EMPTY not in states(made)
            assert set(made.watch.answers) == {"200"}

    def test_a_cache_gives_nothing_new(self) -> None:
        """The old token is served on to its old end, without a loop; then a new one comes."""
        with world() as made:
            canvas = made.canvas.canvas  # refresh tokens that are over: all comes by Authenticate
            canvas.behaviour = replace(canvas.behaviour, refresh_lifetime=5.0)
            made.start()
            until_fresh(made)
            break_canvas(made, "cached")
            made.run(500)
            assert 3 <= calls(made) <= 60
            assert states(made) == {State.STALE}
            assert set(made.watch.answers) == {"200"}
            made.run(500)
            assert calls(made) <= 300
            assert states(made) == {State.EMPTY}
            assert until_fresh(made) <= FROM_EMPTY


class TestTwoOrganizations:
    """Invariant 16: acme is broken; bolt does not notice."""

    @pytest.mark.parametrize("fault", ["", *FAULTS, *FLAWS])
    def test_other_one(self, fault: str) -> None:
        """It is refreshed as often, each request is served, none but the first waits for Canvas."""
        made = World(1, workers=2, behaviour=STRICT, callers=1, pause=5.0)
        made.watch.troubled.add("acme")
        made.canvas.draw = lambda organization: fault if organization == "acme" else ""
        waits: list[float] = []
        worker = made.fleet[0]

        def keep_asking() -> None:
            while True:
                began = made.scheduler.now
                assert worker.ask("bolt") is not None
                waits.append(made.scheduler.now - began)
                made.scheduler.sleep(1.0)

        made.start()
        made.scheduler.spawn(worker.process, "bolt's", keep_asking)
        made.run(650)
        made.scheduler.close()
        assert not made.watch.violations, made.describe()
        assert calls(made, "bolt") == 2
        assert 649 <= len(waits) <= 651
        assert max(waits[1:]) < A_BIT

    @pytest.mark.parametrize("callers", [("app",), ("app", "job")])
    @pytest.mark.parametrize("fault", ["slow", "lost_request", "connect_timeout"])
    def test_places_to_wait(self, fault: str, callers: tuple[str, ...]) -> None:
        """However many wait for acme, and whoever they are, cold callers of bolt wait and get it.

        Nobody is refused for want of a place: that is watched at each step of the run.
        """
        made = World(1, workers=1, behaviour=STRICT, callers=0)
        made.watch.troubled.add("acme")
        made.canvas.draw = lambda organization: fault if organization == "acme" else ""
        (worker,) = made.fleet
        got: list[bool] = []
        worker.load()
        for caller in callers * 30:
            made.scheduler.spawn(worker.process, "acme", asking(worker, "acme", caller))
        made.run(1.0)
        for caller in callers * 2:
            made.scheduler.spawn(worker.process, "bolt", asking(worker, "bolt", caller, got))
        made.run(5.0)
        made.scheduler.close()
        assert not made.watch.violations, made.describe()
        assert got == [True] * 2 * len(callers)


class Ambush:
    """Does something once, just before the next call is sent, and lets that one fail."""

    def __init__(self, made: World, act: Callable[[], None], fault: str = "") -> None:
        self._act: Callable[[], None] | None = act
        self._fault = fault
        made.canvas.draw = self

    def __call__(self, organization: str) -> str:
        """Act at the first call; choose its fault."""
        act, self._act = self._act, None
        if act is None:
            return ""
        act()
        return self._fault


class TestBurnMarkLost:
    """Invariants 2 and 5: a failover takes the burn mark away while the token is on its way."""

    @pytest.mark.parametrize("fault", ["", "lost_answer", "slow", "internal"])
    @pytest.mark.parametrize("after", [n / 20 for n in range(0, 58, 6)])
    @pytest.mark.parametrize("killed", [0, 3])
    def test_never_presented_twice(self, after: float, fault: str, killed: int) -> None:
        """The failover comes this much later, and goes back to just before the grant.

        Workers that live put their copy back; new ones know only what Redis holds.
        """
        with world(seed=round(after * 20), lifetime=135.0) as made:
            stage = Process("stage")

            def fail_over() -> None:
                made.scheduler.sleep(after)
                made.redis.fail_over(after + A_BIT, 0.0)
                for worker in made.fleet[:killed]:
                    made.crash(worker)

            def strike_soon() -> None:
                made.scheduler.spawn(stage, "failover", fail_over)

            made.start()
            made.run(60)
            Ambush(made, strike_soon, fault)
            made.run(100)
            assert calls(made) >= 2
            assert until_fresh(made) <= FROM_ANYTHING


class TestPausedHolder:
    """A holder that is stopped for longer than its lease, and then goes on."""

    @pytest.mark.parametrize("fault", ["", "internal", "lost_answer"])
    @pytest.mark.parametrize("seconds", [26.0, 40.0, 120.0])
    def test_comes_back(self, seconds: float, fault: str) -> None:
        """It harms nobody: all go on with one generation, and no refresh token is spent twice."""
        with world() as made:
            made.watch.allow_two_in_flight = True
            stopped: list[float] = []

            def stop() -> None:
                stopped.append(made.scheduler.now)
                made.scheduler.current().process.paused_until = made.scheduler.now + seconds

            made.start()
            made.run(300)
            Ambush(made, stop, fault)
            while not stopped:
                made.run(0.1)
            made.run(SUCCESSION)
            successor = stored(made)
            made.run(150)
            assert seconds < SUCCESSION or stored(made) == successor
            copies = [each.broker._organizations["acme"].copy for each in made.fleet]
            assert {copy.record.generation for copy in copies if copy} == {stored(made)}
            assert states(made) == {State.FRESH}
            assert 2 <= calls(made) <= 4


def stored(made: World) -> int:
    """Return the generation that Redis holds."""
    (shelf,) = made.redis.server.shelves.values()
    return shelf.generation


def test_a_newcomer_waits_for_the_first_look_only() -> None:
    """A valid token in Redis is served at once, while a dead holder's lease is being watched."""
    with world(workers=1, callers=0) as made:
        made.start()
        made.run(5)
        old = made.fleet[0]
        old.process.alive = False
        made.run(450)
        store = made.redis.server.open("acme", keys_of("acme", 1))
        store.acquire("dead", store.read(0).generation, Slot.OWN)
        newcomer = Worker(made, "newcomer")
        newcomer.load()
        took: list[float] = []

        def ask() -> None:
            before = made.scheduler.now
            assert newcomer.ask("acme") is not None
            took.append(made.scheduler.now - before)

        made.scheduler.spawn(newcomer.process, "caller", ask)
        made.run(10)
        assert took
        assert took[0] < 0.1
