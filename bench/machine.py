"""What the figures were measured on, and which cores the server and the load get."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

QUIET = 0.5
"""Load average above which the figures are told to be noisy: the machine does other work."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Which cores serve and which ask; ``shared`` where there are too few to keep them apart."""

    server: frozenset[int]
    load: frozenset[int]
    shared: bool


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine before anything was measured."""

    model: str
    cores: int
    system: str
    python: str
    load_average: float

    def shown(self) -> str:
        """Return it in one line."""
        return (
            f"{self.model}, {self.cores} cores, {self.system}, Python {self.python}, "
            f"load average {self.load_average:.2f} at the start"
        )

    def warnings(self) -> list[str]:
        """Return what should make the reader of the figures careful."""
        found = []
        if self.load_average > QUIET:
            found.append(
                f"The load average was {self.load_average:.2f} at the start: other work runs on "
                "this machine. Absolute figures mean little, ratios less than they should."
            )
        if self.cores < 2:  # noqa: PLR2004  # one to serve, one to ask
            found.append("Server and load share one core: the load takes part of each figure.")
        return found


def machine() -> Machine:
    """Return what this machine is."""
    return Machine(
        model=model_of(Path("/proc/cpuinfo").read_text("utf-8")),
        cores=len(os.sched_getaffinity(0)),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        load_average=os.getloadavg()[0],
    )


def model_of(cpuinfo: str) -> str:
    """Return the processor's name; some kinds of machine do not tell it."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def split(available: frozenset[int], workers: int) -> Cores:
    """Give each worker a core of its own, and the load all others, where there are enough."""
    ordered = sorted(available)
    if len(ordered) <= workers:
        return Cores(available, available, shared=True)
    return Cores(frozenset(ordered[:workers]), frozenset(ordered[workers:]), shared=False)


@contextmanager
def on_cores(cores: frozenset[int]) -> Iterator[None]:
    """Let what is started within run on these cores alone; it hands that on to its children."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
