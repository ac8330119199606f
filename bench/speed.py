"""The broker beside a bare WSGI function, a Flask view and what people write by hand."""

import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from http import HTTPStatus
from pathlib import Path

from bench.ground import Ground
from bench.report import Finding, Target, WrongAnswer, at_least
from bench.rival_server import CALLERS, OURS, SAMPLE, STOCK
from bench.rivals import TOKEN_KEY, Sample
from bench.rounds import HEADINGS, Candidate, Runs, run_rounds
from bench.scene import ALLOCATOR, Reply, Scene, ask
from bench.stats import ratios
from tests.integration.deployment import BrokerProcess

NAMES = {
    ("bare", STOCK): "bare WSGI function, gunicorn's own gthread",
    ("bare", OURS): "bare WSGI function, the broker's worker",
    ("flask", OURS): "Flask view, static body",
    ("by-hand", OURS): "by hand: Flask, Redis GET and TTL",
}
GET, POST = "broker, GET /token", "broker, POST /token"
VIEWS = "broker, GET /token?min_ttl=0"
"""Not plain, so that the framework's view answers it."""
LONGEST_TTL = 3600


def measure(ground: Ground) -> Finding:
    """Measure all of them side by side."""
    plan = ground.plan
    with ExitStack() as stack:
        scene = stack.enter_context(ground.scene())
        scene.check_refusals()
        folder = _prepare_rivals(ground, scene)
        servers = {kind: _start_rival(ground, stack, kind, folder) for kind in NAMES}
        candidates = [_rival(scene, kind, one, folder) for kind, one in servers.items()]
        candidates += [
            Candidate(GET, scene.broker, scene.gets(), scene.check_gets),
            Candidate(VIEWS, scene.broker, scene.gets("min_ttl=0"), scene.check_gets),
            Candidate(POST, scene.broker, scene.posts(), scene.check_posts),
        ]
        load = ground.load()
        found = run_rounds(candidates, load, plan.rounds, plan.connections, plan.seconds)
    return finding(found, load.name)


def finding(found: list[Runs], load: str) -> Finding:
    """Return the table and the ratios."""
    rates = {one.name: one.rates for one in found}
    return Finding(
        "speed",
        "Speed",
        HEADINGS,
        [one.row() for one in found],
        targets(rates),
        [f"Load: {load}. The median of the rounds, and the two ends."],
        {one.name: one.figures() for one in found},
    )


def targets(rates: dict[str, list[float]]) -> list[Target]:
    """Return the ratios that are to be reached, each taken round by round."""
    get = rates[GET]
    stock, ours = NAMES["bare", STOCK], NAMES["bare", OURS]
    hand = NAMES["by-hand", OURS]
    return [
        at_least("GET / bare, gunicorn's own gthread", ratios(get, rates[stock]), 0.9),
        at_least("GET / bare, the broker's worker", ratios(get, rates[ours]), 0.9),
        at_least("GET / by hand", ratios(get, rates[hand]), 3.0),
        at_least("POST / GET", ratios(rates[POST], get), 0.5),
    ]


def _prepare_rivals(ground: Ground, scene: Scene) -> Path:
    """Write what rivals answer; put the token where the one by hand looks for it."""
    folder, sample = ground.folder(), scene.sample()
    sample.save(folder / SAMPLE)
    askers = [[one.name, one.key, one.organization] for one in scene.askers]
    (folder / CALLERS).write_text(json.dumps(askers), "utf-8")
    with ground.redis.client() as client:
        client.set(TOKEN_KEY, json.loads(sample.body)["access_token"], ex=LONGEST_TTL)
    return folder


def _start_rival(
    ground: Ground, stack: ExitStack, kind: tuple[str, str], folder: Path
) -> BrokerProcess:
    environ = {**ALLOCATOR, "BROKER_REDIS_URL": ground.redis.url, **ground.threads()}
    process = BrokerProcess(environ, ground.folder() / "log")
    process.command = (sys.executable, "-m", "bench.rival_server", *kind, str(folder))
    return stack.enter_context(ground.running(process))


def _rival(scene: Scene, kind: tuple[str, str], process: BrokerProcess, folder: Path) -> Candidate:
    headers = {"Authorization": f"Bearer {scene.askers[0].key}"}
    process.wait_for("/token", lambda reply: reply.status == HTTPStatus.OK, scene.askers[0].key)
    expect = _expectation(kind[0], Sample.load(folder / SAMPLE))

    def check() -> None:
        reply = ask(process.port, "/token", headers)
        if reply.status != HTTPStatus.OK or not expect(reply):
            raise WrongAnswer(f"{NAMES[kind]}: {reply.status}")

    return Candidate(NAMES[kind], process, scene.gets(), check)


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
