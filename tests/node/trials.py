"""How a scenario is played: load, an event under it, waiting until all is settled, judging."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from tests.node.busy import Busy
from tests.node.load import Load
from tests.node.outcomes import ENOUGH, Outcome, none_failed, soon_ready
from tests.node.rows import Row
from tests.node.stage import Stage
from tests.node.watching import PodWatch

AFTER_S = 8.0
FORGOTTEN_S = 130.0
"""Seconds after which nobody is sent to a pod that went while callers were still sent there.

Connection tracking keeps an attempt to connect for 120 s (``nf_conntrack_tcp_timeout_syn_sent``),
and sends the next one from the same port to the same pod; a caller gives one up after 10 s.
"""


@dataclass
class Trial:
    """What an event may look at and leave behind."""

    stage: Stage
    watch: PodWatch
    load: Load
    began: float = 0.0
    ready: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def outcome(self) -> Outcome:
        """Return what callers have seen."""
        return self.load.outcome

    def since(self) -> float:
        """Return the seconds since the event began."""
        return time.time() - self.began

    def note(self, words: str) -> None:
        """Keep a line for the report."""
        self.notes.append(words)


Event = Callable[[Trial], None]
Judge = Callable[[Trial], Iterator[str]]


def nothing_failed(trial: Trial) -> Iterator[str]:
    """Judge by the strictest rule: none of at least so many requests failed."""
    yield from none_failed(trial.outcome)


def told_only(trial: Trial) -> Iterator[str]:
    """Judge by nothing but the problems that the event itself has noted."""
    yield from ()


def play(
    stage: Stage,
    name: str,
    event: Event,
    judge: Judge = nothing_failed,
    *,
    requests: int = ENOUGH,
    busy: bool = False,
    soon: bool = False,
) -> Row:
    """Play one scenario under load.

    The load goes on for some seconds after the pods have settled, and until there were as many
    requests as wanted. ``soon`` holds every new pod to be ready in time.
    """
    stage.settle()
    with ExitStack() as running:
        watch = running.enter_context(stage.watch())
        load = running.enter_context(stage.load())
        if busy:
            running.enter_context(Busy())
            load.last(3.0)
        trial = Trial(stage, watch, load, time.time())
        event(trial)
        stage.settle()
        machine_load = os.getloadavg()[0]
        load.last(AFTER_S)
        load.wait_for(requests)
    ready = trial.ready or watch.seconds_to_ready()
    problems = [*trial.problems, *judge(trial), *(soon_ready(ready) if soon else ())]
    return Row(name, load.outcome, ready, problems, trial.notes, trial.began, machine_load)
