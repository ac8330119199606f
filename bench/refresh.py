"""The latency of a token while a refresh runs, against that without one.

A refresh is made to run by reporting the token as refused, with the limits on such reports set
low; Canvas then takes two seconds. Other callers are served the old token all the while.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Any

from bench.ground import Ground
from bench.report import Finding, WrongAnswer, at_most
from bench.rounds import HEADINGS, run_rounds
from bench.scene import Scene, Script, ask
from bench.stats import ratios

UPSTREAM = 2.0
LONGEST = 1.3
"""Seconds of a run: with its warm-up it must end before the refresh does."""
_SETTINGS = {"BROKER_REPORT_MIN_AGE": "0.1", "BROKER_REPORT_INTERVAL": "0.1"}
_PATIENCE = 5.0


def measure(ground: Ground) -> Finding:
    """Measure both in turn."""
    plan = ground.plan
    with ExitStack() as stack:
        scene = stack.enter_context(ground.scene(Script(settings=_SETTINGS)))
        candidate = scene.candidate("no refresh")
        name, during_it = f"refresh of {UPSTREAM:g} s under way", partial(refreshing, scene)
        candidates = [candidate, replace(candidate, name=name, during=during_it)]
        load = ground.load()
        rounds = plan.rounds if plan.quick else plan.rounds * 2
        seconds = min(plan.seconds, LONGEST)
        without, during = run_rounds(candidates, load, rounds, plan.connections, seconds)
    return Finding(
        "refresh",
        "Latency while a refresh runs",
        HEADINGS,
        [without.row(), during.row()],
        [at_most("p99 during a refresh / without", ratios(during.p99s, without.p99s), 1.2)],
        [f"{rounds} rounds of {seconds:g} s: the refresh lasts for the whole run."],
        {one.name: one.figures() for one in (without, during)},
    )


@contextmanager
def refreshing(scene: Scene) -> Iterator[None]:
    """Let a refresh run within; raises :class:`~bench.report.WrongAnswer` if none came of it."""
    before, token = scene.calls(), scene.get(scene.askers[0])
    if token is None:
        raise WrongAnswer("no token to report")
    time.sleep(0.2)  # so that the token is old enough to be reported
    scene.emulator.fault(latency=UPSTREAM, times=1)
    replies: list[Any] = []
    reporter = threading.Thread(target=_report, args=(scene, token.json()["generation"], replies))
    reporter.start()
    _wait_for_call(scene)
    try:
        yield
        if not _in_flight(scene):
            raise WrongAnswer("the refresh ended before the run did")
    finally:
        reporter.join()
    if scene.calls() != before + 1 or replies[0] != HTTPStatus.OK:
        raise WrongAnswer(f"a reported token: {replies}, {scene.calls() - before} calls")


def _report(scene: Scene, generation: int, replies: list[Any]) -> None:
    """Ask for another token; waits for the refresh."""
    headers = {"Authorization": f"Bearer {scene.askers[0].key}"}
    try:
        replies.append(ask(scene.broker.port, f"/token?rejected={generation}", headers).status)
    except OSError as error:
        replies.append(type(error).__name__)


def _in_flight(scene: Scene) -> bool:
    return bool(scene.emulator.stats()["in_flight"])


def _wait_for_call(scene: Scene) -> None:
    until = time.monotonic() + _PATIENCE
    while not _in_flight(scene):
        if time.monotonic() > until:
            raise WrongAnswer("a reported token started no refresh")
        time.sleep(0.01)
