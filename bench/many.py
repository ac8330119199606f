"""A thousand organizations with a caller each, against one and one, all in use.

Two brokers that do the same differ by up to a tenth for as long as they live: where their memory
lies decides. So there are several pairs, new ones each; and as what else the machine does changes
by the second, runs are short, and each is compared with the one before it.
"""

from contextlib import ExitStack

from bench.ground import Ground
from bench.report import Finding, at_least
from bench.rounds import HEADINGS, Candidate, Runs, run_rounds
from bench.scene import Scene, Script
from bench.stats import ratios

LEAST = 0.95
PAIRS = 2
"""Pairs of brokers for each round of the plan."""
TURNS = 4
"""Runs of each candidate in one pair, after one that does not count: callers are met in it."""


def measure(ground: Ground) -> Finding:
    """Measure both in turn, callers naming their organization or leaving it out."""
    plan = ground.plan
    pairs = [_pair(ground) for _ in range(plan.rounds if plan.quick else plan.rounds * PAIRS)]
    found = [
        Runs(same[0].name, [run for runs in same for run in runs.runs])
        for same in zip(*pairs, strict=True)
    ]
    rates = [runs.rates for runs in found]
    return Finding(
        "many",
        "Many organizations and callers",
        HEADINGS,
        [runs.row() for runs in found],
        [
            at_least("many / one, organization named", ratios(rates[1], rates[0]), LEAST),
            at_least("many / one, organization left out", ratios(rates[3], rates[2]), LEAST),
        ],
        [
            "Organizations and callers; each caller may use one organization. All are in use.",
            f"{len(pairs)} pair(s) of brokers; in each, the runs come in turn.",
        ],
        {runs.name: runs.figures() for runs in found},
    )


def _pair(ground: Ground) -> list[Runs]:
    """Measure one and one against many and many, on brokers of their own."""
    plan, load = ground.plan, ground.load()
    with ExitStack() as stack:
        one = stack.enter_context(ground.scene(Script(callers=1)))
        many = stack.enter_context(ground.scene(Script(organizations=plan.organizations)))
        candidates = [
            _candidate(scene, f"{scene.organizations:,} and {len(scene.askers):,}", named=named)
            for named in (True, False)
            for scene in (one, many)
        ]
        turns = 1 if plan.quick else TURNS
        if not plan.quick:
            run_rounds(candidates, load, 1, plan.connections, plan.seconds / turns)
        return run_rounds(candidates, load, turns, plan.connections, plan.seconds / turns)


def _candidate(scene: Scene, size: str, *, named: bool) -> Candidate:
    name = f"{size}, organization {'named' if named else 'left out'}"
    return scene.candidate(name, scene.gets_named() if named else scene.gets())
