"""What probes, health and metrics cost a pod of many organizations, beside another build."""

import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from bench.builds import Build
from bench.ground import Ground
from bench.processes import cpu_seconds
from bench.report import Finding, Target, WrongAnswer, at_most
from bench.scene import START_LIMIT, Scene, Script
from bench.stats import Spread, percentile, ratios

ORGANIZATIONS = 10_000
WORKERS = 2
PROBES = 200
AT_ONCE = 16
ANSWERS = 20
SCRAPES = 5
MOST_OF_OTHER = 0.4
MOST_HEALTH_S = 0.3
MOST_PROBE_MS = 2.0
_LIMIT = 60.0
_HEADINGS = (
    "",
    "`/health/ready` ms of processor time",
    "`/health` right",
    "`/health` s, slowest",
    "`/health` MB",
    "`/metrics` s",
    "`/metrics` MB",
    "series of an organization",
)


@dataclass(frozen=True, slots=True)
class Costs:
    """What was measured of one build; times in seconds, sizes in bytes."""

    name: str
    probe: float
    right: int
    health: list[float]
    health_size: int
    metrics: list[float]
    metrics_size: int
    series: float

    def row(self) -> list[str]:
        """Return its row of the table."""
        return [
            self.name,
            f"{self.probe * 1000:.2f}",
            f"{self.right} of {len(self.health)}",
            f"{max(self.health):.2f}",
            f"{self.health_size / 1e6:.2f}",
            Spread.of(self.metrics).shown(2),
            f"{self.metrics_size / 1e6:.1f}",
            f"{self.series:.1f}",
        ]


def measure(ground: Ground) -> Finding:
    """Give every organization a token, then ask as operators and orchestrators do."""
    organizations = ground.plan.organizations if ground.plan.quick else ORGANIZATIONS
    ours, theirs = (_costs(ground, build, organizations) for build in ground.builds)
    slowest = percentile(ours.health, 100)
    right = f"{ours.right} of {len(ours.health)}, {slowest:.2f} s"
    all_right = ours.right == len(ours.health) and slowest <= MOST_HEALTH_S
    bytes_ratio = Spread.of([ours.metrics_size / theirs.metrics_size])
    return Finding(
        "operators",
        f"Probes, health and metrics of {organizations:,} organizations, {WORKERS} workers",
        _HEADINGS,
        [ours.row(), theirs.row()],
        [
            at_most("/health/ready", Spread.of([ours.probe * 1000]), MOST_PROBE_MS, "ms"),
            Target("/health right, slowest", right, f"all, <= {MOST_HEALTH_S:g} s", all_right),
            at_most("/metrics, bytes / other build", bytes_ratio, MOST_OF_OTHER),
            at_most("/metrics, time / other build", ratios(ours.metrics, theirs.metrics), 0.4),
        ],
        ["Each organization has been asked for once and has its token."],
        {one.name: [one.probe, one.health, one.metrics] for one in (ours, theirs)},
    )


def _costs(ground: Ground, build: Build, organizations: int) -> Costs:
    anybody = {"BROKER_CALLER_AUTH": "none", "BROKER_CALLERS_FILE": ""}
    script = Script(
        build=build, organizations=organizations, callers=1, workers=WORKERS, settings=anybody
    )
    with ground.stage(script) as scene, ground.running(scene.broker, WORKERS):
        _ask_for_all(scene, organizations)
        probe = _probe(scene)
        healths = [_get(scene, "/health") for _ in range(ANSWERS)]
        scrapes = [_get(scene, "/metrics") for _ in range(SCRAPES)]
    lines = [one for one in scrapes[0][1].splitlines() if b"organization=" in one]
    return Costs(
        build.name,
        probe,
        sum(_is_right(body, organizations) for _, body in healths),
        [seconds for seconds, _ in healths],
        len(healths[0][1]),
        [seconds for seconds, _ in scrapes],
        len(scrapes[0][1]),
        len(lines) / organizations,
    )


def _ask_for_all(scene: Scene, organizations: int) -> None:
    """Ask for each organization until it has its token, for several at a time."""
    until = time.monotonic() + START_LIMIT

    def ask(number: int) -> None:
        while _status(scene, f"/token?organization=org-{number}") != HTTPStatus.OK:
            if time.monotonic() > until:
                raise WrongAnswer(f"no token for org-{number} in time")
            time.sleep(0.05)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(ask, range(organizations)))


def _status(scene: Scene, path: str) -> int:
    try:
        return scene.ask(path).status
    except (OSError, http.client.HTTPException):
        return 0


def _probe(scene: Scene) -> float:
    """Return the seconds of processor time of a probe, without what is spent anyway."""
    workers = scene.broker.workers()
    began, before = time.monotonic(), cpu_seconds(workers)
    for _ in range(PROBES):
        if _status(scene, "/health/ready") != HTTPStatus.OK:
            raise WrongAnswer("the broker is not ready")
    took, spent = time.monotonic() - began, cpu_seconds(workers) - before
    before = cpu_seconds(workers)
    time.sleep(took)
    return max(0.0, spent - (cpu_seconds(workers) - before)) / PROBES


def _get(scene: Scene, path: str) -> tuple[float, bytes]:
    """Ask once, as if nobody had asked a moment before; return the seconds and the body."""
    time.sleep(0.3)
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", scene.broker.port, timeout=_LIMIT)
    try:
        connection.request("GET", path)
        with connection.getresponse() as answer:
            body = answer.read()
        return time.monotonic() - began, body
    finally:
        connection.close()


def _is_right(body: bytes, organizations: int) -> bool:
    """Tell whether all organizations are told of, and both workers are well."""
    told: Any = json.loads(body)
    counts = told.get("organizations", {"total": len(told["checks"]["organization:token"])})
    workers = [worker["status"] for worker in told["checks"]["workers"]]
    return bool(counts["total"] == organizations and workers == ["pass"] * WORKERS)
