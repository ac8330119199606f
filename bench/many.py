"""A thousand organizations with a caller each, against one and one, all in use."""

from contextlib import ExitStack

from bench.ground import Ground
from bench.report import Finding, at_least
from bench.rounds import HEADINGS, Candidate, run_rounds
from bench.scene import Scene, Script
from bench.stats import ratios

LEAST = 0.95


def measure(ground: Ground) -> Finding:
    """Measure both in turn, callers naming their organization or leaving it out."""
    plan = ground.plan
    with ExitStack() as stack:
        one = stack.enter_context(ground.scene(Script(callers=1)))
        many = stack.enter_context(ground.scene(Script(organizations=plan.organizations)))
        candidates = [
            _candidate(scene, f"{scene.organizations:,} and {len(scene.askers):,}", named=named)
            for named in (True, False)
            for scene in (one, many)
        ]
        load = ground.load()
        found = run_rounds(candidates, load, plan.rounds, plan.connections, plan.seconds)
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
        ["Organizations and callers; each caller may use one organization. All are in use."],
        {runs.name: runs.figures() for runs in found},
    )


def _candidate(scene: Scene, size: str, *, named: bool) -> Candidate:
    name = f"{size}, organization {'named' if named else 'left out'}"
    requests = scene.gets_named() if named else scene.gets()
    return Candidate(name, scene.broker, requests, scene.check_gets)
