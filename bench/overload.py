"""Twice the load that can be served: what is answered, what goes on beside it, what comes after.

Requests come in an open loop at twice the measured rate, whatever the server does. Beside them a
few callers ask at a low, steady rate before, during and after it, and probes ask for the health.
Tokens live so short that every organization must be refreshed while the load is on.
"""

import time
from contextlib import ExitStack
from dataclasses import dataclass

from bench.engine import Order, Samples
from bench.generator import Generator
from bench.ground import Ground, wait_until
from bench.probes import Probes
from bench.report import Finding, Target, WrongAnswer
from bench.scene import Scene, Script
from bench.stats import percentile
from broker.emulator.canvas import Behaviour

LIFETIME = 46.0
"""Seconds that a token lives: just enough to be no failure; stale at half of it."""
STALE = 23.0
EARLY, LONG = 5.0, 10.0
"""Seconds before the tokens turn stale that the load begins, and that it lasts."""
AROUND = 3.0
"""Seconds that the few callers ask before the load, and after it."""
ORGANIZATIONS = 20
FEW, FEW_RATE = 8, 100.0
TWICE = 2.0
BACK = 1.0
PROBE_LIMIT = 1.0
LONGEST = 4.5
"""Seconds within which every request is to end."""
_MILLI = 1e3


@dataclass(frozen=True, slots=True)
class Timing:
    """Monotonic instants."""

    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Overloaded:
    """What one overload did."""

    connections: int
    rate: float
    seconds: float
    crowd: Samples
    before: list[float]
    during: list[float]
    back: float
    few_failures: dict[str, int]
    probes: Probes
    refreshes: int

    @property
    def slowest(self) -> float:
        """Return the seconds of the slowest answer of all."""
        return max([*self.crowd.seconds, *self.during], default=0.0)

    def row(self) -> list[str]:
        """Return its row of the table."""
        others = ", ".join(f"{count:,} {what}" for what, count in self.crowd.failures.items())
        return [
            f"{self.connections:,}",
            f"{self.rate:,.0f}",
            f"{self.crowd.statuses['200'] / self.seconds:,.0f}",
            others or "none",
            f"{self.crowd.dropped:,}",
            f"{percentile(self.before, 99) * _MILLI:.0f}",
            f"{percentile(self.during, 99) * _MILLI:.0f}",
            f"{self.slowest:.2f}",
            f"{self.back:.2f}",
            f"{self.probes.slowest * _MILLI:.0f}",
            f"{self.refreshes}",
        ]

    def targets(self, organizations: int | None) -> list[Target]:
        """Return what is to be reached; ``organizations`` are those that fell due."""
        strange = sum(count for what, count in self.crowd.failures.items() if what != "503")
        at = f"overload, {self.connections:,} connections"
        found = [
            Target(
                f"{at}: slowest answer",
                f"{self.slowest:.2f} s",
                f"<= {LONGEST:g} s",
                self.slowest <= LONGEST,
            ),
            Target(f"{at}: answers other than 200 and 503", str(strange), "0", strange == 0),
            Target(
                f"{at}: slowest health probe",
                f"{self.probes.slowest:.2f} s, {', '.join(self.probes.failures) or 'none failed'}",
                f"<= {PROBE_LIMIT:g} s, none failed",
                self.probes.slowest <= PROBE_LIMIT and not self.probes.failures,
            ),
            Target(
                f"{at}: latency back after",
                f"{self.back:.2f} s",
                f"<= {BACK:g} s",
                self.back <= BACK,
            ),
        ]
        if organizations is not None:
            done = self.refreshes >= organizations and not self.few_failures
            figure = f"{self.refreshes} of {organizations}, {self.few_failures or 'all answered'}"
            found.append(Target(f"{at}: refreshes while it lasts", figure, "all", done))
        return found


def measure(ground: Ground) -> Finding:
    """Overload brokers with more connections than threads, and than gunicorn accepts."""
    quick = ground.plan.quick
    found = [overload(ground, connections) for connections in ((64,) if quick else (512, 1500))]
    due = None if quick else ORGANIZATIONS
    if quick and any(one.crowd.statuses["200"] == 0 or one.few_failures for one in found):
        raise WrongAnswer(f"overload: {found[0].crowd.failures}, {found[0].few_failures}")
    return Finding(
        "overload",
        "Twice the load",
        (
            "connections",
            "offered/s",
            "answered 200/s",
            "other answers",
            "dropped by callers",
            "p99 ms before",
            "p99 ms during",
            "slowest s",
            "back after s",
            "slowest health ms",
            "refreshes",
        ),
        [one.row() for one in found],
        [target for one in found for target in one.targets(due)],
        [
            "p99 is that of a few callers at a low, steady rate beside the load.",
            "The slowest is that of all, reckoned from when the request was due.",
        ],
        {str(one.connections): dict(one.crowd.statuses) for one in found},
    )


def overload(ground: Ground, connections: int) -> Overloaded:
    """Overload one broker."""
    quick = ground.plan.quick
    life = 899.0 if quick else LIFETIME
    lives = Behaviour(access_lifetime_authenticate=life, access_lifetime_refresh=life)
    with ExitStack() as stack:
        crowd, few = (stack.enter_context(Generator(ground.cores().load)) for _ in range(2))
        script = Script(
            organizations=ORGANIZATIONS, settings={"BROKER_FLOOR": "6"}, behaviour=lives
        )
        scene = stack.enter_context(ground.scene(script))
        minted = time.monotonic()
        rate = TWICE * capacity(crowd, scene, 0.5 if quick else 3.0)
        if not quick:
            wait_until(minted, STALE - EARLY - AROUND)
        seconds = 1.0 if quick else LONG
        return _overload(
            scene,
            crowd,
            few,
            Order(scene.broker.port, scene.gets(), connections, seconds, rate=rate),
        )


def capacity(generator: Generator, scene: Scene, seconds: float) -> float:
    """Return the requests per second of a closed loop."""
    samples = generator.run(Order(scene.broker.port, scene.gets(), 32, seconds, 0.2))
    return samples.counted / seconds


def _overload(scene: Scene, crowd: Generator, few: Generator, order: Order) -> Overloaded:
    around = min(AROUND, order.seconds)
    watch = Order(order.port, order.requests, FEW, order.seconds + 2 * around, rate=FEW_RATE)
    few.begin(watch)
    time.sleep(around)
    calls, began = scene.calls(), time.monotonic()
    with Probes(scene) as probes:
        crowd.begin(order)
        samples = crowd.result()
        ended = began + order.seconds
    refreshes = scene.calls() - calls
    beside = few.result()
    scene.check(order.requests)
    timing = Timing(began, ended)
    before, during = latencies(beside, timing)
    return Overloaded(
        order.connections,
        order.rate or 0.0,
        order.seconds,
        samples,
        before,
        during,
        back_after(beside, timing),
        beside.failures,
        probes,
        refreshes,
    )


def latencies(beside: Samples, timing: Timing) -> tuple[list[float], list[float]]:
    """Return those before the load and while it lasted."""
    pairs = list(zip(beside.ended, beside.seconds, strict=True))
    before = [took for ended, took in pairs if ended < timing.began]
    during = [took for ended, took in pairs if timing.began <= ended < timing.ended]
    return before, during


def back_after(beside: Samples, timing: Timing) -> float:
    """Return the seconds after the load until no answer takes longer than twice the usual."""
    before, _ = latencies(beside, timing)
    usual = 2 * max(before, default=0.0) + 0.01
    pairs = zip(beside.ended, beside.seconds, strict=True)
    late = [ended - timing.ended for ended, took in pairs if ended > timing.ended and took > usual]
    return max(late, default=0.0)
