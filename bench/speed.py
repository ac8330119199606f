"""A build beside another one, beside a bare WSGI function, a Flask view and one written by hand.

What is compared is the processor time of the worker for a request: it says how many a core can
serve, whatever else the machine does and however fast the load is.
"""

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path

from bench.builds import Build
from bench.ground import Ground
from bench.report import Finding, Target, WrongAnswer, at_most
from bench.rival_server import CALLERS, SAMPLE
from bench.rivals import TOKEN_KEY, Sample
from bench.rounds import HEADINGS, Candidate, meet, run_rounds
from bench.scene import ALLOCATOR, Reply, Scene, Script, ask
from bench.stats import ratios
from tests.integration.deployment import BrokerProcess

RIVALS = {
    "bare": "bare WSGI function, gthread",
    "flask": "Flask view, static body, gthread",
    "by-hand": "by hand: Flask, Redis GET and TTL, gthread",
}
OF_RIVALS = {"bare": 0.2, "by-hand": 0.33}
"""How much of these rivals' processor time a ``GET`` by key may take at most."""
LONGEST_TTL = 3600


@dataclass(frozen=True, slots=True)
class Row:
    """Requests that a build is measured by, and how much of the other's time they may take."""

    name: str
    most: float
    requests: Callable[[Scene], list[bytes]]
    tls: bool = False


ROWS = (
    Row("GET by key", 0.30, Scene.gets),
    Row("GET by service-account token", 0.12, Scene.gets_by_account),
    Row("GET as Java's client sends it", 0.12, Scene.gets_of_java),
    Row("GET with an id and a trace of its own", 0.50, Scene.gets_traced),
    Row("POST by key", 0.35, Scene.posts),
    Row("GET with min_ttl", 0.75, lambda scene: scene.gets("min_ttl=0")),
    Row("GET by key, TLS 1.3", 0.50, Scene.gets, tls=True),
)


@dataclass(frozen=True, slots=True)
class Served:
    """A build that runs, without TLS and with it."""

    build: Build
    plain: Scene
    secure: Scene

    def candidates(self) -> list[Candidate]:
        """Return its rows."""
        scenes = ((row, self.secure if row.tls else self.plain) for row in ROWS)
        return [
            scene.candidate(name_of(self.build.name, row), row.requests(scene))
            for row, scene in scenes
        ]


def measure(ground: Ground) -> Finding:
    """Measure all of them side by side, once their callers have been met."""
    plan, load = ground.plan, ground.load()
    with ExitStack() as stack:
        ours, theirs = (_serve(ground, stack, one) for one in ground.builds)
        rows = zip(ours.candidates(), theirs.candidates(), strict=True)
        candidates = [*_rivals(ground, stack, ours.plain), *(one for row in rows for one in row)]
        if not plan.quick:
            meet(candidates, load, plan.connections)
        found = run_rounds(candidates, load, plan.rounds, plan.connections, plan.seconds)
    return Finding(
        "speed",
        "Speed",
        HEADINGS,
        [one.row() for one in found],
        targets({one.name: one.cpus for one in found}, *(one.name for one in ground.builds)),
        ["The median of the rounds, and the two ends. Targets are ratios of processor time."],
        {one.name: one.figures() for one in found},
    )


def targets(cpus: Mapping[str, list[float]], ours: str, theirs: str) -> list[Target]:
    """Return the ratios that are to be reached, each taken round by round."""
    get = cpus[name_of(ours, ROWS[0])]
    found = [
        at_most(
            f"{row.name}, of {theirs}",
            ratios(cpus[name_of(ours, row)], cpus[name_of(theirs, row)]),
            row.most,
        )
        for row in ROWS
    ]
    return found + [
        at_most(f"{ROWS[0].name}, of {RIVALS[kind]}", ratios(get, cpus[RIVALS[kind]]), most)
        for kind, most in OF_RIVALS.items()
    ]


def name_of(build: str, row: Row) -> str:
    """Return what a build's row of the table is called."""
    return f"{row.name}, {build}"


def _serve(ground: Ground, stack: ExitStack, build: Build) -> Served:
    plain, secure = (
        stack.enter_context(ground.scene(Script(build=build, accounts=not tls, tls=tls)))
        for tls in (False, True)
    )
    plain.check_refusals()
    return Served(build, plain, secure)


def _rivals(ground: Ground, stack: ExitStack, scene: Scene) -> list[Candidate]:
    folder = _prepare_rivals(ground, scene)
    return [_rival(scene, kind, _start(ground, stack, kind, folder), folder) for kind in RIVALS]


def _prepare_rivals(ground: Ground, scene: Scene) -> Path:
    """Write what rivals answer; put the token where the one by hand looks for it."""
    folder, sample = ground.folder(), scene.sample()
    sample.save(folder / SAMPLE)
    askers = [[one.name, one.key, one.organization] for one in scene.askers]
    (folder / CALLERS).write_text(json.dumps(askers), "utf-8")
    with ground.redis.client() as client:
        client.set(TOKEN_KEY, json.loads(sample.body)["access_token"], ex=LONGEST_TTL)
    return folder


def _start(ground: Ground, stack: ExitStack, kind: str, folder: Path) -> BrokerProcess:
    environ = {**ALLOCATOR, "BROKER_REDIS_URL": ground.redis.url}
    process = BrokerProcess(environ, ground.folder() / "log")
    process.command = (sys.executable, "-m", "bench.rival_server", kind, str(folder))
    return stack.enter_context(ground.running(process))


def _rival(scene: Scene, kind: str, process: BrokerProcess, folder: Path) -> Candidate:
    headers = {"Authorization": f"Bearer {scene.askers[0].key}"}
    process.wait_for("/token", lambda reply: reply.status == HTTPStatus.OK, scene.askers[0].key)
    expect = _expectation(kind, Sample.load(folder / SAMPLE))

    def check() -> None:
        reply = ask(process.port, "/token", headers)
        if reply.status != HTTPStatus.OK or not expect(reply):
            raise WrongAnswer(f"{RIVALS[kind]}: {reply.status}")

    return Candidate(RIVALS[kind], process, scene.gets(), check)


def _expectation(kind: str, sample: Sample) -> Callable[[Reply], bool]:
    """Return what makes an answer of a rival the right one."""
    if kind == "by-hand":
        token = json.loads(sample.body)["access_token"]
        return lambda reply: bool(reply.json()["access_token"] == token)
    return partial(_is_sample, sample)


def _is_sample(sample: Sample, reply: Reply) -> bool:
    return reply.body == sample.body and len(Sample.of(b"", reply.headers).headers) == len(
        sample.headers
    )
