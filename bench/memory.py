"""What a worker holds in memory, what an organization in use adds to it, and what the rest is."""

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace

from bench.ground import Ground
from bench.processes import Memory, memory
from bench.report import Finding, Target
from bench.rounds import Candidate, run_once
from bench.scene import Script
from broker.emulator.canvas import Behaviour

MOST = 10.0
"""Kilobytes for each organization in use."""
SHORT = 100.0
"""Seconds that tokens live which are to be refreshed soon and often."""
_SETTLED = 3.0
_IMPORT_LIMIT = 60.0


def measure(ground: Ground) -> Finding:
    """Compare a worker of one organization with one of many, then import its libraries singly."""
    many = ground.plan.organizations
    held = {count: in_use(ground, count) for count in (1, many)}
    imports = import_costs()
    found = finding(held[1], held[many], many, imports)
    if ground.plan.aged:
        told = f"Tokens lived for {SHORT:g} s, and were refreshed for {ground.plan.aged:g} s."
        found = replace(found, notes=[*found.notes, told])
    return found


def in_use(ground: Ground, organizations: int) -> Memory:
    """Return what a worker holds after each organization was asked for, under load."""
    plan = ground.plan
    script = Script(organizations=organizations)
    if plan.aged:
        short = Behaviour(access_lifetime_authenticate=SHORT, access_lifetime_refresh=SHORT)
        script = replace(script, behaviour=short)
    with ExitStack() as stack:
        scene = stack.enter_context(ground.scene(script))
        load = ground.load()
        candidate = Candidate("memory", scene.broker, scene.gets(), scene.check_gets)
        run_once(candidate, load, plan.connections, plan.seconds)
        time.sleep(plan.aged or (0.0 if plan.quick else _SETTLED))
        return memory(scene.broker.workers()[0])


def finding(one: Memory, many: Memory, organizations: int, imports: dict[str, int]) -> Finding:
    """Return the table; ``imports`` are kilobytes by library."""
    each = (many.private - one.private) / (organizations - 1)
    rows = [
        [f"worker, {count:,} organization(s) in use", *_megabytes(held), str(held.threads)]
        for count, held in ((1, one), (organizations, many))
    ]
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
            )
        ],
        [
            "Private is what no other process shares.",
            "Imports are measured one after the other, in an interpreter of their own.",
            "What several libraries need counts with the first of them.",
        ],
        {"private_kb_each": each, "imports_kb": imports, "one_kb": one.rss, "many_kb": many.rss},
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


def _megabytes(held: Memory) -> list[str]:
    return [f"{size / 1024:.1f}" for size in (held.rss, held.pss, held.private)]
