"""The fleet keeps its limits at Canvas, and makes the most of them (invariant 20)."""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate

import pytest

from broker.credentials import Credentials
from broker.errors import AmbiguousError, ThrottledError, UpstreamError
from broker.failure_kinds import FailureKind
from broker.fleet_calls import CallLimits
from broker.tokens import Kind, TokenPair
from broker.upstream.answer import Answer
from broker.upstream.pair import read_pair
from tests.simulation.canvas import SimUpstream
from tests.simulation.redis import Reach
from tests.simulation.world import World


class Gate:
    """A Canvas at which each call takes ``latency``; counts what comes.

    With ``vendor`` it takes so many in any second, and refuses the rest at once. Whose name
    ``hangs`` gets no answer.
    """

    def __init__(self, world: World, latency: float, vendor: int | None) -> None:
        self.world = world
        self.latency = latency
        self.vendor = vendor
        self.hangs: Callable[[str], bool] = lambda _: False
        self.calls: Counter[str] = Counter()
        self.refused = self.in_flight = self.most = 0
        self.begun: list[float] = []
        self._taken: deque[float] = deque()

    def call(
        self, upstream: SimUpstream, kind: Kind, credentials: Credentials, token: str | None
    ) -> TokenPair:
        """Take a call."""
        name = self.world.canvas.names[credentials.consumer.reveal()]
        self.calls[name] += 1
        self.begun.append(self.world.scheduler.now)
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        sent = upstream._clock.monotonic()
        try:
            outcome = self._outcome(name, kind, credentials, token, sent)
        finally:
            self.in_flight -= 1
        if isinstance(outcome, UpstreamError):
            raise outcome
        return outcome

    def _outcome(
        self, name: str, kind: Kind, credentials: Credentials, token: str | None, sent: float
    ) -> TokenPair | UpstreamError:
        scheduler = self.world.scheduler
        if self.hangs(name):
            scheduler.sleep(5.0)
            return AmbiguousError(FailureKind.TIMEOUT)
        if self.vendor is not None and not self._takes():
            self.refused += 1
            scheduler.sleep(0.05)
            return ThrottledError(FailureKind.THROTTLED)
        scheduler.sleep(self.latency)
        status, body = self.world.canvas.work(kind, credentials, token)
        date = formatdate(self.world.canvas.canvas.date(), usegmt=True)
        arrived = self.world.redis.now()
        return read_pair(
            Answer(
                status=status,
                date=date,
                age=0,
                retry_after=None,
                body=body,
                sent=sent,
                arrived=arrived,
            )
        )

    def _takes(self) -> bool:
        now = self.world.scheduler.now
        while self._taken and self._taken[0] <= now - 1:
            self._taken.popleft()
        if len(self._taken) >= (self.vendor or 0):
            return False
        self._taken.append(now)
        return True


@contextmanager
def fleet(
    patch: pytest.MonkeyPatch,
    organizations: int,
    workers: int,
    allowed: CallLimits,
    *,
    latency: float = 1.0,
    vendor: int | None = None,
) -> Iterator[Gate]:
    """Start workers that have no token yet, and whom nobody asks for one."""
    names = tuple(f"o{number:04}" for number in range(organizations))
    world = World(1, workers=workers, organizations=names, callers=0, skew=0.0, allowed=allowed)
    world.watch.troubled.update(names)
    gate = Gate(world, latency, vendor)

    def call(
        upstream: SimUpstream, kind: Kind, credentials: Credentials, token: str | None
    ) -> TokenPair:
        return gate.call(upstream, kind, credentials, token)

    patch.setattr(SimUpstream, "_call", call)
    world.start()
    yield gate
    world.scheduler.close()
    assert not world.watch.violations, world.describe()


def without(gate: Gate) -> set[str]:
    """Return the organizations for which no worker has a token."""
    missing = set(gate.world.organizations)
    for worker in gate.world.fleet:
        held = worker.broker._organizations
        missing -= {name for name in missing if held[name].copy is not None}
    return missing


def until_all_have_one(gate: Gate, names: Callable[[str], bool] = lambda _: True) -> float:
    """Return the seconds until each of these organizations has a token somewhere."""
    while any(map(names, without(gate))):
        gate.world.run(0.25)
        assert gate.world.scheduler.now < 200
    return gate.world.scheduler.now


def test_more_workers_are_faster_until_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five hundred at a second a call, a hundred at once: 5 s is the least; it was 21.5."""
    took = {}
    for workers in (1, 8):
        with fleet(monkeypatch, 500, workers, CallLimits(100, 500)) as gate:
            took[workers] = until_all_have_one(gate)
            assert gate.most <= (100 if workers > 1 else 32)
            assert set(gate.calls.values()) == {1}
    assert took[8] <= 0.4 * 21.5
    assert took[8] <= 0.5 * took[1]


@pytest.mark.parametrize(("workers", "declared"), [(2, 500), (8, 500), (2, 20)])
def test_a_vendor_that_takes_twenty_a_second(
    monkeypatch: pytest.MonkeyPatch, workers: int, declared: int
) -> None:
    """Told or not: all have a token soon after the least time, and few calls are refused."""
    allowed = CallLimits(100, declared)
    with fleet(monkeypatch, 1000, workers, allowed, latency=0.2, vendor=20) as gate:
        took = until_all_have_one(gate)
        assert took <= 1.3 * 1000 / 20
        assert gate.refused <= 0.1 * gate.calls.total()


@pytest.mark.parametrize("workers", [1, 3])
def test_the_limits_hold(monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    """Calls in flight, and begun in any second, with room for Redis being a little late."""
    with fleet(monkeypatch, 60, workers, CallLimits(4, 3), latency=0.5) as gate:
        until_all_have_one(gate)
        assert gate.most <= 4
        for at in gate.begun:
            assert sum(at <= other < at + 1 for other in gate.begun) <= 4


def test_half_hang_and_the_others_do_not_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those whose calls hang have their places, also those that nobody has asked for in minutes."""
    with fleet(monkeypatch, 100, 2, CallLimits(32, 500), latency=0.2) as gate:
        gate.hangs = lambda name: int(name[1:]) % 2 == 0
        gate.world.run(60)
        assert all(int(name[1:]) % 2 == 0 for name in without(gate))
        slow = gate.in_flight
        assert slow <= 16
        # By now it is known who hangs: a token that is lost is had again as ever.
        gate.world.redis.flush()
        for worker in gate.world.fleet:
            for name, one in worker.broker._organizations.items():
                if int(name[1:]) % 2:
                    one.copy = None
                    worker.broker._schedule.plan(one, worker.clock.monotonic())
        began = gate.world.scheduler.now
        until_all_have_one(gate, lambda name: int(name[1:]) % 2 == 1)
        assert gate.world.scheduler.now - began <= 6.0


def test_a_caller_goes_before_a_cold_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands may be waiting for a permit: who is asked for gets one at once."""
    with fleet(monkeypatch, 400, 2, CallLimits(16, 20), latency=0.3) as gate:
        gate.world.run(2.0)
        served: list[object] = []
        worker = gate.world.fleet[0]
        missing = max(without(gate))
        gate.world.scheduler.spawn(
            worker.process, "caller", lambda: served.append(worker.ask(missing))
        )
        gate.world.run(2.5)
        assert served
        assert served[0] is not None


def test_without_redis_nobody_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """No permit, no lease; and all goes on when it is back."""
    with fleet(monkeypatch, 40, 2, CallLimits(8, 20), latency=0.2) as gate:
        gate.world.run(0.5)
        gate.world.redis.reach = Reach.DOWN
        gate.world.run(2.0)
        before = gate.calls.total()
        gate.world.run(10.0)
        assert gate.calls.total() == before
        gate.world.redis.reach = Reach.UP
        assert until_all_have_one(gate) <= 50.0


def test_a_worker_that_dies_gives_its_calls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a lease: nobody knows how long its calls go on."""
    with fleet(monkeypatch, 60, 2, CallLimits(8, 500), latency=2.0) as gate:
        gate.world.run(1.0)
        gate.world.fleet[0].process.alive = False
        del gate.world.fleet[0]
        until_all_have_one(gate)
        assert gate.world.scheduler.now <= 25 + 60 * 2.0 / 7 + 10
