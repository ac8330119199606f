"""Faults by name: what each does, and what it does to processes."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.judge import Harm
from tests.chaos.stage import Stage


@dataclass(frozen=True)
class Fault:
    """``play`` breaks something, waits, and mends what it broke but Canvas."""

    name: str
    play: Callable[[Stage], None]
    harm: Harm = Harm.NONE
