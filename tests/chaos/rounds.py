"""Rounds over all faults, in an order that a seed gives, until the time is over."""

import random
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from broker.emulator.canvas import Sessions
from tests.chaos import clock_faults, names, processes, redis_faults, upstream
from tests.chaos.callers import Callers
from tests.chaos.faults import Fault
from tests.chaos.judge import Row
from tests.chaos.ledger import Ledger
from tests.chaos.stage import Stage, staged

FAULTS: tuple[Fault, ...] = (
    *processes.FAULTS,
    *names.FAULTS,
    *redis_faults.FAULTS,
    *clock_faults.FAULTS,
    *upstream.FAULTS,
)


def play(stage: Stage, callers: Callers, fault: Fault) -> Row:
    """Play one fault, mend it, wait until all is well, and return what happened meanwhile."""
    row = Row(fault.name, fault.harm)
    callers.take()
    counters = stage.calls(), stage.presented_twice(), stage.crashes()
    began = time.monotonic()
    try:
        fault.play(stage)
    except (AssertionError, OSError, subprocess.SubprocessError) as error:
        row.complaints.append(f"{type(error).__name__}: {error}".splitlines()[0])
    stage.heal_canvas()
    row.recovery = stage.recover()
    row.seconds = time.monotonic() - began
    after = stage.calls(), stage.presented_twice(), stage.crashes()
    row.calls, row.presented_twice, row.crashes = (
        now - then for now, then in zip(after, counters, strict=True)
    )
    row.count(callers.take())
    return row


def play_rounds(
    directory: Path, chance: random.Random, seconds: float, faults: Sequence[Fault] = FAULTS
) -> Iterator[Row]:
    """Yield a row for each fault played: one whole round, and more until ``seconds`` are over.

    The one or the other way of Canvas with sessions is drawn for each round.
    """
    until = time.monotonic() + seconds
    with staged(directory) as stage, Callers(stage.deployment, Ledger(stage.emulator.canvas)) as c:
        first = True
        while first or time.monotonic() < until:
            stage.heal_canvas(chance.choice(list(Sessions)))
            for fault in chance.sample(faults, len(faults)):
                if first or time.monotonic() < until:
                    yield play(stage, c, fault)
            first = False
