"""Where everything is measured: a real Valkey, the load, and brokers with a Canvas of their own."""

import itertools
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Self

from bench.builds import ITSELF, PRESENT, Build, build
from bench.load import Load, ProcessesLoad
from bench.machine import Cores, on_cores, split
from bench.scene import Scene, Script, prepare
from tests.integration.deployment import BrokerProcess
from tests.kubernetes.cluster import Cluster
from tests.servers import RedisServer, valkey_binary


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured; ``quick`` looks for wrong answers only."""

    quick: bool = False
    rounds: int = 5
    seconds: float = 4.0
    connections: int = 32
    organizations: int = 1000
    callers: int = 1000
    aged: float = 0.0
    """Seconds for which short-lived tokens are refreshed before memory is read."""
    against: str | None = None
    """The revision that the present build is measured beside; None is the present one itself."""

    @property
    def turns(self) -> int:
        """Return how often long measurements are made of each build."""
        return min(self.rounds, 3)


QUICK = Plan(quick=True, rounds=1, seconds=0.3, connections=8, organizations=20, callers=100)
"""What CI runs: every path once, no figure worth a look."""


class Ground:
    """Started before the first part, ended after the last one."""

    def __init__(self, plan: Plan, available: frozenset[int]) -> None:
        self.plan = plan
        self.available = available
        self._stack = ExitStack()
        self._numbers = itertools.count()
        self._loads: dict[int, Load] = {}

    def cores(self, workers: int = 1) -> Cores:
        """Return who runs where."""
        return split(self.available, workers)

    def folder(self) -> Path:
        """Return a new folder that lives as long as this."""
        made = self.directory / str(next(self._numbers))
        made.mkdir()
        return made

    def load(self, workers: int = 1) -> Load:
        """Return the load for so many workers; it is made once."""
        if workers not in self._loads:
            self._loads[workers] = self._make_load(workers)
        return self._loads[workers]

    def _make_load(self, workers: int) -> Load:
        cores = self.cores(workers).load
        return ProcessesLoad(cores, min(len(cores), workers), self._stack)

    @contextmanager
    def stage(self, script: Script) -> Iterator[Scene]:
        """Run a Canvas; the broker beside it is not started."""
        callers = self.plan.callers if script.callers is None else script.callers
        cluster = self.cluster if script.accounts else None
        scene = prepare(self.folder(), self.redis.url, replace(script, callers=callers), cluster)
        with scene.emulator:
            yield scene

    @contextmanager
    def scene(self, script: Script | None = None) -> Iterator[Scene]:
        """Run a broker with a Canvas of its own; all organizations have a token when it begins."""
        script = script or Script()
        with self.stage(script) as scene, self.running(scene.broker, script.workers):
            scene.warm_up()
            yield scene

    @cached_property
    def against(self) -> Build:
        """Return the build that the present one is measured beside; made the first time."""
        revision = self.plan.against
        return ITSELF if revision is None else build(revision, Path(sys.prefix) / "bench")

    @property
    def builds(self) -> tuple[Build, Build]:
        """Return the present build, and the one that it is measured beside."""
        return PRESENT, self.against

    @cached_property
    def cluster(self) -> Cluster:
        """Return the cluster that the callers run in, started the first time."""
        return self._stack.enter_context(Cluster(self.folder()))

    @contextmanager
    def running(self, process: BrokerProcess, workers: int = 1) -> Iterator[BrokerProcess]:
        """Run a server on the cores that serve."""
        with on_cores(self.cores(workers).server):
            process.start()
        try:
            yield process
        finally:
            with suppress(TimeoutExpired):
                process.terminate()
            process.kill()

    def __enter__(self) -> Self:
        folder = tempfile.TemporaryDirectory(prefix="bench-")
        self.directory = Path(self._stack.enter_context(folder))
        with on_cores(self.cores().load):
            self.redis = self._stack.enter_context(RedisServer(valkey_binary(), self.directory))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def wait_until(started: float, seconds: float) -> None:
    """Sleep until ``seconds`` after the monotonic instant ``started``."""
    time.sleep(max(0.0, started + seconds - time.monotonic()))
