"""Two workers against one."""

from contextlib import ExitStack

from bench.ground import Ground
from bench.report import Finding, Target
from bench.rounds import HEADINGS, run_rounds
from bench.scene import Script
from bench.stats import ratios

LEAST = 1.8


def measure(ground: Ground) -> Finding:
    """Measure both in turn; judged only where the load has cores of its own beside them."""
    plan = ground.plan
    with ExitStack() as stack:
        scenes = [stack.enter_context(ground.scene(Script(workers=workers))) for workers in (1, 2)]
        candidates = [
            scene.candidate(f"{number} worker(s)") for number, scene in enumerate(scenes, 1)
        ]
        load = ground.load(workers=2)
        found = run_rounds(candidates, load, plan.rounds, plan.connections, plan.seconds)
    ratio = ratios(found[1].rates, found[0].rates)
    shared = ground.cores(2).shared
    judged = None if shared or plan.quick else ratio.median >= LEAST
    notes = ["No cores to spare: two workers and the load share two. Not judged."] if shared else []
    return Finding(
        "scale",
        "Two workers",
        HEADINGS,
        [runs.row() for runs in found],
        [Target("two workers / one", ratio.shown(2), f">= {LEAST:g}, cores to spare", judged)],
        notes,
        {runs.name: runs.figures() for runs in found},
    )
