"""How soon organizations have tokens: a cold start, a vendor's limit, many that hang at Canvas."""

import time
from collections import deque

from bench.builds import Build
from bench.fleet import both, fleet, slow
from bench.ground import Ground, wait_until
from bench.report import Finding, Target, at_most
from bench.scene import Scene, Script
from bench.stats import Spread, percentile
from broker.emulator.canvas import Behaviour, Canvas
from broker.emulator.faults import Fault, Faults
from broker.emulator.minting import Answer
from broker.emulator.stats import Kind

COLD, SECOND = 500, 1.0
"""Organizations of a cold start, and the seconds that Canvas takes for an answer."""
LIMITED, VENDOR = 1000, 20
"""Organizations, and the calls a second that a vendor takes."""
HANGING, TOGETHER = 200, 400
MANY = 10_000
LIFE = 75.0
"""Seconds that a token lives where others hang: it is refreshed every 30 s."""
OBSERVED = 100.0
HANGS = 30.0
MOST_COLD, MOST_MANY, MOST_CPU = 0.4, 0.5, 0.6
MOST_LIMITED, MOST_REFUSED = 1.3, 10.0
MOST_LATER_S = 1.0


class VendorLimit(Faults):
    """Refuses with 429 what comes faster than so many calls in a second."""

    def __init__(self) -> None:
        super().__init__()
        self._taken: deque[float] = deque(maxlen=VENDOR)
        self.refused = 0

    def take(self, kind: Kind, organization: str) -> Fault:
        """Return what happens to this call."""
        now = time.monotonic()
        if len(self._taken) == VENDOR and now - self._taken[0] < 1:
            self.refused += 1
            return Fault(status=429)
        self._taken.append(now)
        return super().take(kind, organization)


class NotingCanvas(Canvas):
    """Notes how old each token was, in seconds, when the next one was asked for."""

    def refresh(
        self, consumer: str, secret_key: str, refresh_token: str, *, lifetime: float | None = None
    ) -> Answer:
        """Redeem a refresh token."""
        now, noted = time.monotonic(), self.__dict__.setdefault("given", {})
        if consumer in noted:
            self.__dict__.setdefault("ages", []).append(now - noted[consumer])
        noted[consumer] = now
        return super().refresh(consumer, secret_key, refresh_token, lifetime=lifetime)


def measure(ground: Ground) -> Finding:
    """Measure both builds, one after the other."""
    ours, theirs = ground.builds
    cold, cold_there = both(ground, _cold)
    limited, limited_there = both(ground, _limited)
    many, many_there = both(ground, _many)
    alone, beside = _ages(ground, 0), _ages(ground, HANGING)
    later = percentile(beside, 100) - percentile(alone, 100)
    least = LIMITED / VENDOR
    return Finding(
        "cold",
        "Many tokens at once",
        ("", ours.name, theirs.name),
        [
            [
                f"cold start of {COLD}, Canvas at {SECOND:g} s",
                f"{cold:.1f} s",
                f"{cold_there:.1f} s",
            ],
            [f"{LIMITED} organizations, {VENDOR} calls/s", _limit(limited), _limit(limited_there)],
            [f"{MANY:,} tokens, 2 workers, one core", _tokens(many), _tokens(many_there)],
            [
                f"slowest age at refresh, without / with {HANGING} of {TOGETHER} hanging",
                f"{percentile(alone, 100):.1f} / {percentile(beside, 100):.1f} s",
                "",
            ],
        ],
        [
            at_most("cold start / other build", Spread.of([cold / cold_there]), MOST_COLD),
            at_most("all tokens / least possible", Spread.of([limited[0] / least]), MOST_LIMITED),
            at_most("calls refused", Spread.of([limited[1]]), MOST_REFUSED, "%"),
            at_most("all tokens, one core", Spread.of([many[0] / many_there[0]]), MOST_MANY),
            at_most("processor time of one", Spread.of([many[1] / many_there[1]]), MOST_CPU),
            Target("refreshed later", f"{later:.1f} s", f"<= {MOST_LATER_S:g} s", later <= 1),
        ],
        ["From the start of the processes.", f"Tokens live {LIFE:g} s where others hang."],
        {"alone": alone, "beside": beside},
    )


def _limit(found: tuple[float, float]) -> str:
    return f"{found[0]:.1f} s, {found[1]:.1f} % refused"


def _tokens(found: tuple[float, float]) -> str:
    return f"{found[0]:.1f} s, {found[1] * 1000:.2f} ms of processor time each"


def _size(ground: Ground, size: int) -> int:
    return min(size, ground.plan.organizations) if ground.plan.quick else size


def _cold(ground: Ground, build: Build) -> float:
    """Return the seconds from the start of eight workers until all organizations have tokens."""
    size = _size(ground, COLD)
    script = Script(build=build, organizations=size, workers=2 if ground.plan.quick else 8)
    with fleet(ground, script, before=slow(SECOND)) as running:
        return running.wait_for_calls(size)


def _limited(ground: Ground, build: Build) -> tuple[float, float]:
    """Return the seconds until all have tokens, and the percentage of calls that were refused."""
    size, limit = _size(ground, LIMITED), VendorLimit()

    def put_limit(scene: Scene) -> None:
        scene.emulator.controls.faults = limit

    script = Script(build=build, organizations=size, workers=2)
    with fleet(ground, script, before=put_limit) as running:
        took = running.wait_for_calls(size)
    return took, 100 * limit.refused / (size + limit.refused)


def _many(ground: Ground, build: Build) -> tuple[float, float]:
    """Return the seconds until all have tokens, and the processor time of the workers for each."""
    size = _size(ground, MANY)
    script = Script(build=build, organizations=size, workers=2)
    with fleet(ground, script, cores=1) as running:
        running.wait_for_calls(1)
        before = running.cpu()
        took = running.wait_for_calls(size)
        return took, (running.cpu() - before) / size


def _ages(ground: Ground, hanging: int) -> list[float]:
    """Return how old tokens were when they were refreshed, of those that do not hang."""
    size, quick = _size(ground, TOGETHER), ground.plan.quick
    lives = Behaviour(access_lifetime_authenticate=LIFE, access_lifetime_refresh=LIFE)
    script = Script(organizations=size, workers=2, behaviour=lives, canvas=NotingCanvas)
    with fleet(ground, script) as running:
        running.wait_for_calls(size)
        for name in running.names[: min(hanging, size // 2)]:
            running.scene.emulator.fault(organization=name, latency=HANGS, times=None)
        wait_until(time.monotonic(), 1.0 if quick else OBSERVED)
        noted: list[float] = getattr(running.scene.emulator.canvas, "ages", [0.0])
    return list(noted)
