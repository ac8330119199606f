"""Connections that never stop: the slowest answer, and the slowest probe beside them."""

from contextlib import ExitStack
from dataclasses import dataclass

from bench.ground import Ground
from bench.load import Outcome
from bench.probes import Probes
from bench.report import Finding, Target, WrongAnswer, at_most
from bench.scene import Scene, Script
from bench.stats import Spread, ratios

MOST = 0.5
SIZES = (512, 1500)
_MILLI = 1e3


@dataclass(frozen=True, slots=True)
class Crowd:
    """What so many connections met."""

    outcome: Outcome
    probe: float


def measure(ground: Ground) -> Finding:
    """Measure builds in turn, each with both numbers of connections."""
    plan = ground.plan
    sizes = (64,) if plan.quick else SIZES
    with ExitStack() as stack:
        scenes = {
            one.name: stack.enter_context(ground.scene(Script(build=one))) for one in ground.builds
        }
        found: dict[tuple[int, str], list[Crowd]] = {}
        for _ in range(plan.turns):
            for size in sizes:
                for name, scene in scenes.items():
                    met = crowd(ground, scene, size)
                    found.setdefault((size, name), []).append(met)
    ours, theirs = scenes
    return Finding(
        "crowd",
        "Connections that never stop",
        ("connections", "", "requests/s", "slowest answer ms", "slowest health probe ms"),
        [_row(size, name, met) for (size, name), met in found.items()],
        [
            target
            for size in sizes
            for target in targets(size, found[size, ours], found[size, theirs], theirs)
        ],
        ["Each asks again as soon as it has its answer."],
        {
            f"{size} {name}": [[one.outcome.slowest, one.probe] for one in met]
            for (size, name), met in found.items()
        },
    )


def crowd(ground: Ground, scene: Scene, connections: int) -> Crowd:
    """Measure once; raises :class:`~bench.report.WrongAnswer` where anything was refused."""
    candidate = scene.candidate(f"{connections} connections")
    candidate.check()
    with Probes(scene) as probes:
        outcome = ground.load().run(candidate.order(connections, ground.plan.seconds))
    if outcome.failures or probes.failures:
        raise WrongAnswer(f"{candidate.name}: {outcome.failures}, {probes.failures}")
    return Crowd(outcome, probes.slowest)


def targets(size: int, ours: list[Crowd], theirs: list[Crowd], name: str) -> list[Target]:
    """Return what is to be reached, round by round."""
    figures = {
        "answer": [[one.outcome.slowest for one in met] for met in (ours, theirs)],
        "health probe": [[one.probe for one in met] for met in (ours, theirs)],
    }
    return [
        at_most(f"{size:,} connections: slowest {kind}, of {name}", ratios(*pair), MOST)
        for kind, pair in figures.items()
    ]


def _row(size: int, name: str, met: list[Crowd]) -> list[str]:
    return [
        f"{size:,}",
        name,
        Spread.of(one.outcome.rate for one in met).shown(),
        Spread.of(one.outcome.slowest for one in met).shown(0, _MILLI),
        Spread.of(one.probe for one in met).shown(0, _MILLI),
    ]
