"""Virtual time: tasks are greenlets, run one at a time, in an order that the seed decides."""

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from greenlet import GreenletExit, getcurrent, greenlet

PAUSE_CHECK = 0.5
"""Seconds after which a paused task looks whether the pause was cut short."""


@dataclass(eq=False)
class Process:
    """What crashes and is paused as a whole: an operating-system process."""

    name: str
    alive: bool = True
    paused_until: float = 0.0
    born: float = 0.0


@dataclass(eq=False)
class Task:
    """One thread of a process. ``ticket`` names the one wake-up that counts."""

    process: Process
    name: str
    ticket: int = 0
    green: greenlet = field(default_factory=greenlet)


class Scheduler:
    """The hub that every task switches to when it waits."""

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.random = random.Random(seed)
        self.steps = 0
        self._queue: list[tuple[float, float, int, Task, int]] = []
        self._order = itertools.count()
        self._hub = getcurrent()
        self._tasks: dict[greenlet, Task] = {}

    def spawn(self, process: Process, name: str, work: Callable[[], None]) -> Task:
        """Start ``work`` as a thread of ``process``, soon."""
        task = Task(process, name)

        def run() -> None:
            try:
                work()
            finally:
                self._tasks.pop(task.green, None)

        task.green = greenlet(run, parent=self._hub)
        self._tasks[task.green] = task
        self._push(self.now, task)
        return task

    def current(self) -> Task:
        """Return the task that runs now."""
        return self._tasks[getcurrent()]

    def sleep(self, seconds: float) -> None:
        """Let the current task wait for ``seconds`` of virtual time."""
        task = self.current()
        if not task.process.alive:
            raise GreenletExit
        self._push(self.now + max(0.0, seconds), task)
        self._hub.switch()
        if not task.process.alive:
            raise GreenletExit

    def wake(self, task: Task) -> None:
        """Let a waiting task go on now."""
        self._push(self.now, task)

    def run(self, until: float) -> None:
        """Run everything that happens up to the instant ``until``."""
        while self._queue and self._queue[0][0] <= until:
            at, _, _, task, ticket = heapq.heappop(self._queue)
            if ticket != task.ticket or not task.process.alive or task.green.dead:
                continue
            self.now = max(self.now, at)
            if task.process.paused_until > self.now:
                self._push(min(task.process.paused_until, self.now + PAUSE_CHECK), task)
                continue
            self.steps += 1
            task.green.switch()
        self.now = max(self.now, until)

    def close(self) -> None:
        """End every task that is left."""
        for task in list(self._tasks.values()):
            task.process.alive = False
        for green in list(self._tasks):
            green.throw(GreenletExit)

    def _push(self, at: float, task: Task) -> None:
        task.ticket += 1
        entry = (at, self.random.random(), next(self._order), task, task.ticket)
        heapq.heappush(self._queue, entry)


class Signal:
    """Implements :class:`broker.ports.Signal` in virtual time."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._set = False
        self._waiting: list[Task] = []

    def set(self) -> None:
        """Wake all who wait."""
        self._set = True
        waiting, self._waiting = self._waiting, []
        for task in waiting:
            self._scheduler.wake(task)

    def wait(self, timeout: float) -> bool:
        """Wait up to ``timeout`` virtual seconds."""
        if not self._set and timeout > 0:
            task = self._scheduler.current()
            self._waiting.append(task)
            self._scheduler.sleep(timeout)
            if task in self._waiting:
                self._waiting.remove(task)
        return self._set
