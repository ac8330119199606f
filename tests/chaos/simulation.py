"""Seeds of the simulation one after the other, in a process that gives way to the others."""

import os
import time
from collections.abc import Iterator

from tests.simulation.runs import DAY, Tally, run_seed

POLITENESS = 10


def give_way() -> None:
    """Let other processes go first, from now on."""
    os.nice(POLITENESS)


def run_seeds(first: int, seconds: float) -> tuple[Tally, list[str]]:
    """Run seeds from ``first`` on for so long; return the sums, and the stories of the failed."""
    tally, stories = Tally(), []
    until = time.monotonic() + seconds
    while not tally.seeds or time.monotonic() < until:
        world = run_seed(first + tally.seeds)
        tally.add(world)
        if world.watch.violations:
            stories.append(world.describe())
    return tally, stories


def summary(tally: Tally) -> Iterator[str]:
    """Yield the lines of the report."""
    per_lifetime = tally.calls / tally.lifetimes if tally.lifetimes else 0.0
    yield f"seeds run: {tally.seeds}"
    yield f"simulated days: {tally.seconds / DAY:.1f}"
    yield f"faults injected: {tally.faults.total()}"
    yield f"violations: {sum(len(found) for found in tally.failed.values())}"
    yield f"upstream calls per token lifetime: {per_lifetime:.2f}"
