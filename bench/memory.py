"""What a worker holds in memory, what an organization in use adds to it, and what the rest is.

A worker of another build, with as many organizations and callers in use, is measured beside it.
"""

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

from bench.builds import PRESENT, Build
from bench.ground import Ground
from bench.processes import Memory, memory
from bench.report import Finding, Target, at_most
from bench.rounds import run_once
from bench.scene import Script
from bench.stats import ratios
from broker.emulator.canvas import Behaviour

MOST = 10.0
"""Kilobytes for each organization in use."""
MOST_OF_OTHER = 1.0
SHORT = 100.0
"""Seconds that tokens live which are to be refreshed soon and often."""
_SETTLED = 3.0
_IMPORT_LIMIT = 60.0


def measure(ground: Ground) -> Finding:
    """Compare a worker of one organization with one of many, then import its libraries singly."""
    many = ground.plan.organizations
    turns = [[in_use(ground, many, one) for one in ground.builds] for _ in range(ground.plan.turns)]
    ours, theirs = zip(*turns, strict=True)
    found = finding(in_use(ground, 1), ours, {ground.against.name: theirs}, many, import_costs())
    if ground.plan.aged:
        told = f"Tokens lived for {SHORT:g} s, and were refreshed for {ground.plan.aged:g} s."
        found = replace(found, notes=[*found.notes, told])
    return found


def in_use(ground: Ground, organizations: int, build: Build = PRESENT) -> Memory:
    """Return what a worker holds after each organization was asked for, under load."""
    plan = ground.plan
    script = Script(build=build, organizations=organizations)
    if plan.aged:
        short = Behaviour(access_lifetime_authenticate=SHORT, access_lifetime_refresh=SHORT)
        script = replace(script, behaviour=short)
    with ExitStack() as stack:
        scene = stack.enter_context(ground.scene(script))
        load = ground.load()
        run_once(scene.candidate("memory"), load, plan.connections, plan.seconds)
        time.sleep(plan.aged or (0.0 if plan.quick else _SETTLED))
        return memory(scene.broker.workers()[0])


def finding(
    one: Memory,
    ours: Sequence[Memory],
    others: Mapping[str, Sequence[Memory]],
    organizations: int,
    imports: dict[str, int],
) -> Finding:
    """Return the table of a worker with one organization, several with many, and other builds'.

    ``imports`` are kilobytes by library.
    """
    many = _middle(ours)
    each = (many.private - one.private) / (organizations - 1)
    held = [("1 organization(s) in use", one), (f"{organizations:,} organization(s) in use", many)]
    held += [(f"the same, {name}", _middle(theirs)) for name, theirs in others.items()]
    rows = [[f"worker, {what}", *_megabytes(size), str(size.threads)] for what, size in held]
    resident = [size.rss for size in ours]
    rows += [
        [f"import of {name}", "", f"{size / 1024:.1f}", "", ""] for name, size in imports.items()
    ]
    return Finding(
        "memory",
        "Memory",
        ("", "RSS MB", "PSS MB", "private MB", "threads"),
        rows,
        [
            Target(
                "memory of an organization in use, each worker",
                f"{each:.1f} KB",
                f"<= {MOST:g} KB",
                each <= MOST,
            ),
            *(
                at_most(
                    f"memory (RSS) of a worker, of {name}", ratios(resident, rss), MOST_OF_OTHER
                )
                for name, theirs in others.items()
                for rss in [[size.rss for size in theirs]]
            ),
        ],
        [
            "Private is what no other process shares.",
            "Imports are measured one after the other, in an interpreter of their own.",
            "What several libraries need counts with the first of them.",
        ],
        {"private_kb_each": each, "imports_kb": imports, "one_kb": one.rss, "many_kb": resident},
    )


def import_costs() -> dict[str, int]:
    """Return the kilobytes that each import adds, the largest first."""
    done = subprocess.run(  # this interpreter, on a module of our own
        [sys.executable, "-m", "bench.imports"],
        capture_output=True,
        text=True,
        check=True,
        timeout=_IMPORT_LIMIT,
    )
    return differences(json.loads(done.stdout))


def differences(after: dict[str, int]) -> dict[str, int]:
    """Return what each step added, the largest first."""
    sizes = list(after.values())
    added = [now - before for before, now in zip([0, *sizes], sizes, strict=False)]
    pairs = zip(after, added, strict=True)
    return dict(sorted(pairs, key=lambda pair: pair[1], reverse=True))


def _middle(held: Sequence[Memory]) -> Memory:
    return sorted(held, key=lambda one: one.rss)[len(held) // 2]


def _megabytes(held: Memory) -> list[str]:
    return [f"{size / 1024:.1f}" for size in (held.rss, held.pss, held.private)]
