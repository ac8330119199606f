"""``python -m tests.chaos --seconds N``: break everything for a while and report it."""

import argparse
import random
import shutil
import sys
import tempfile
import time
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from tests.chaos.judge import Row
from tests.chaos.rounds import play_rounds
from tests.chaos.simulation import give_way, run_seeds, summary
from tests.chaos.table import markdown
from tests.simulation.runs import Tally

SEEDS = 1_000_000_000


def say(*lines: str) -> None:
    """Write lines at once, also into a pipe."""
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run the simulation for half the time, the processes for all of it; exit 1 on a violation."""
    arguments = parse()
    say(f"seed {arguments.seed}; the same again: --seed {arguments.seed}")
    directory = Path(tempfile.mkdtemp(prefix="chaos-"))
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=give_way) as pool:
        simulated = pool.submit(run_seeds, arguments.seed, arguments.seconds / 2)
        rows = play(directory, arguments)
        violations = [sentence for row in rows for sentence in row.violations()]
        violations += report(rows, simulated)
    for violation in violations:
        say(f"VIOLATION {violation}")
    if violations:
        say(f"the brokers' logs are in {directory}")
        sys.exit(1)
    shutil.rmtree(directory)
    say("no violation")


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="how long (at least one round)")
    drawn = random.SystemRandom().randrange(SEEDS)
    parser.add_argument("--seed", type=int, default=drawn, help="of a run to be repeated")
    return parser.parse_args()


def play(directory: Path, arguments: argparse.Namespace) -> list[Row]:
    """Play the rounds, with a line for each fault as it is over."""
    rows, began = [], time.monotonic()
    for row in play_rounds(directory, random.Random(arguments.seed), arguments.seconds):
        word = "VIOLATION" if row.violations() else "ok"
        say(f"{time.monotonic() - began:6.0f} s  {word}  {row.fault}")
        rows.append(row)
    return rows


def report(rows: list[Row], simulated: Future[tuple[Tally, list[str]]]) -> list[str]:
    """Print both reports; return the violations that the simulation found."""
    say("\nProcesses\n", *markdown(rows))
    tally, stories = simulated.result()
    say("\nSimulation\n", *summary(tally), *stories)
    say("")
    return [f"simulation, --seed {seed}: {found}" for seed, found in tally.failed.items()]


if __name__ == "__main__":
    main()
