"""From the start of the process to the first token, less what Canvas takes to answer."""

import time
from http import HTTPStatus

from bench.ground import Ground
from bench.report import Finding, WrongAnswer, at_most
from bench.scene import START_LIMIT, Scene, Script, ask
from bench.stats import Spread

MOST = 1.0
_PAUSE = 0.005


def measure(ground: Ground) -> Finding:
    """Start brokers anew, with one caller and with many; both builds in turn."""
    found, other = {}, {}
    for callers in (1, ground.plan.callers):
        found[callers], other[callers] = starts(ground, callers)
    rows = [[f"{n:,}", spread.shown(2), other[n].shown(2)] for n, spread in found.items()]
    theirs = ground.against.name
    return Finding(
        "start",
        "Start",
        ("callers", "seconds to the first token, less Canvas's answer", theirs),
        rows,
        [
            at_most(f"start with {callers:,} caller(s)", spread, MOST, "s")
            for callers, spread in found.items()
        ],
        ["One worker, an empty Redis, one organization."],
        {
            str(callers): [spread.least, spread.median, spread.most]
            for callers, spread in found.items()
        },
    )


def starts(ground: Ground, callers: int) -> list[Spread]:
    """Return how long several starts of each build took."""
    took: list[list[float]] = [[], []]
    for _ in range(ground.plan.rounds):
        for build, seconds in zip(ground.builds, took, strict=True):
            with ground.stage(Script(build=build, callers=callers)) as scene:
                upstream = upstream_seconds(scene)
                began = time.monotonic()
                with ground.running(scene.broker):
                    seconds.append(first_token(scene, began) - upstream)
    return [Spread.of(seconds) for seconds in took]


def first_token(scene: Scene, began: float) -> float:
    """Return the seconds since ``began`` when the first token is there."""
    while True:
        reply = scene.get(scene.askers[0])
        now = time.monotonic()
        if reply is not None and reply.status == HTTPStatus.OK:
            return now - began
        if now > began + START_LIMIT:
            raise WrongAnswer("no token after the start")
        time.sleep(_PAUSE)


def upstream_seconds(scene: Scene) -> float:
    """Return what Canvas takes for an answer, asked by hand."""
    headers = {
        "Consumer": f"{0:064x}",
        "SecretKey": f"00000000-0000-4000-8000-{0:012x}",
    }
    path = f"/{scene.emulator.url.rsplit('/', 1)[1]}/Authenticate"
    replies = [ask(scene.emulator.port, path, headers) for _ in range(3)]
    if any(reply.status != HTTPStatus.OK for reply in replies):
        raise WrongAnswer(f"Canvas answers {replies[0].status}")
    return Spread.of(reply.seconds for reply in replies).median
