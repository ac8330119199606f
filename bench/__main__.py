"""``python -m bench``: measure, and print one report."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import click

from bench import (
    changes,
    cold,
    commands,
    crowd,
    idle,
    many,
    memory,
    operators,
    overload,
    refresh,
    scale,
    slow,
    speed,
    start,
)
from bench.builds import BASELINE
from bench.ground import QUICK, Ground, Plan
from bench.machine import machine
from bench.report import Finding, WrongAnswer, as_json, markdown

PARTS: dict[str, Callable[[Ground], Finding]] = {
    "speed": speed.measure,
    "commands": commands.measure,
    "refresh": refresh.measure,
    "many": many.measure,
    "memory": memory.measure,
    "start": start.measure,
    "scale": scale.measure,
    "operators": operators.measure,
    "changes": changes.measure,
    "cold": cold.measure,
    "crowd": crowd.measure,
    "slow": slow.measure,
    "idle": idle.measure,
    "overload": overload.measure,
}
TOGETHER = {"scale": ("scale", "operators", "changes", "cold")}
"""Parts that belong together, by the first of them."""


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(list(PARTS)))
@click.option("--quick", is_flag=True, help="Look for wrong answers only; figures mean nothing.")
@click.option("--rounds", type=click.IntRange(1), help="Rounds of each part.")
@click.option("--seconds", type=click.FloatRange(0.1), help="Length of each run.")
@click.option("--connections", type=click.IntRange(1), help="Connections kept alive.")
@click.option("--against", help="The revision to measure beside; --quick takes the present one.")
@click.option(
    "--aged", type=click.FloatRange(1), help="Seconds of refreshes before memory is read."
)
@click.option("--json", "file", type=click.Path(path_type=Path), help="Write the raw figures.")
def main(parts: tuple[str, ...], file: Path | None, *, quick: bool, **chosen: Any) -> None:
    """Measure the PARTS (all by default), and print the report.

    Exits with 1 where an answer was wrong or something failed; never because of a time.
    """
    given = {name: value for name, value in chosen.items() if value is not None}
    plan = replace(QUICK if quick else Plan(against=BASELINE), **given)
    chosen_parts = chain.from_iterable(TOGETHER.get(one, (one,)) for one in parts or PARTS)
    before, found = machine(), []
    try:
        with Ground(plan, frozenset(os.sched_getaffinity(0))) as ground:
            for part in dict.fromkeys(chosen_parts):
                click.echo(f"{part} ...", err=True)
                finding = PARTS[part](ground)
                found.append(finding.unjudged() if plan.quick else finding)
    except WrongAnswer as error:
        click.echo(f"Wrong: {error}", err=True)
        sys.exit(1)
    how = f"{plan.rounds} round(s) of {plan.seconds:g} s in turn, {plan.connections} connections."
    click.echo(markdown(before, how, found))
    if file is not None:
        file.write_text(json.dumps(as_json(before, how, found), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
