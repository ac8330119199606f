"""How many threads a worker should have: rates and latencies with few and with many connections."""

from contextlib import ExitStack

from bench.ground import Ground
from bench.report import Finding
from bench.rounds import HEADINGS, Candidate, Runs, run_rounds
from bench.scene import Script

COUNTS = (4, 8, 16, 32, 64, 256)
MOST_ROUNDS = 3
CROWD = 512
"""Connections of the second half: more than most numbers of threads."""


def measure(ground: Ground) -> Finding:
    """Measure brokers that differ in nothing but their threads."""
    plan = ground.plan
    found, rounds = [], min(plan.rounds, MOST_ROUNDS)
    with ExitStack() as stack:
        candidates = []
        for count in COUNTS[:1] if plan.quick else COUNTS:
            script = Script(settings={"BROKER_THREADS": str(count)})
            scene = stack.enter_context(ground.scene(script))
            candidates.append(Candidate(f"{count}", scene.broker, scene.gets(), scene.check_gets))
        for connections in (plan.connections, CROWD):
            runs = run_rounds(candidates, ground.load(), rounds, connections, plan.seconds)
            found += [Runs(f"{one.name}, {connections} connections", one.runs) for one in runs]
    return Finding(
        "threads",
        "Threads of a worker",
        HEADINGS,
        [one.row() for one in found],
        [],
        [f"Threads, connections. One worker, {rounds} round(s)."],
        {one.name: one.figures() for one in found},
    )
