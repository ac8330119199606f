"""A master and the workers that it forks, as gunicorn does; to be used in a process of its own.

Workers do what they are told through a pipe, one thing at a time: a method of their meters, or a
scrape.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self, TypeVar

from broker.metrics.directory import forget, prepare
from broker.metrics.meters import Meters
from tests.metrics.pods import Readings, named, seen

PATIENCE = 30
T = TypeVar("T")


def within_bounds(scene: Callable[[Path], T], directory: Path) -> T:
    """Play a scene in that process; one that hangs ends the process, and so do its workers."""
    signal.alarm(PATIENCE)
    try:
        return scene(directory)
    finally:
        signal.alarm(0)


def theatre() -> ProcessPoolExecutor:
    """Return a fresh process to play scenes in, which may count in files without a trace here."""
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))


class Worker:
    """A forked process with meters of its own."""

    def __init__(self) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self._pipe.close()  # else it would not notice the end of the master
            _work(theirs)
        theirs.close()
        self._pipe.recv()

    def begin(self, what: str, *args: Any) -> None:
        """Let it do something and go on."""
        self._pipe.send((what, args))

    def answer(self) -> Any:
        """Wait for what it did, and return the outcome."""
        assert self._pipe.poll(PATIENCE)
        return self._pipe.recv()

    def do(self, what: str, *args: Any) -> Any:
        """Let it do something and wait for the outcome."""
        self.begin(what, *args)
        return self.answer()

    def serve(self, times: int) -> None:
        """Let it count so many requests of 2 ms that were served."""
        for _ in range(times):
            self.do("requests", "served", "fresh", 0.002)

    def served(self) -> float:
        """Return how many were served, as its scrape tells."""
        readings: Readings = self.do("scrape", "broker_token_requests_total")
        return readings["served", "fresh"]

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it without a chance to write anything more; the master does not know yet."""
        os.kill(self.pid, how)
        os.waitpid(self.pid, 0)
        self._pipe.close()


class Crew:
    """The master's side."""

    def __init__(self, directory: Path) -> None:
        prepare(directory)
        self._directory = directory
        self._workers: list[Worker] = []

    def hire(self) -> Worker:
        """Start a worker."""
        worker = Worker()
        self._workers.append(worker)
        return worker

    def end(self, worker: Worker, how: signal.Signals = signal.SIGTERM) -> None:
        """End a worker and notice it."""
        worker.end(how)
        self._workers.remove(worker)
        forget(worker.pid)

    def files(self) -> list[str]:
        """Return the names of the files with numbers."""
        return sorted(path.name for path in self._directory.glob("*.db"))

    def size(self) -> int:
        """Return the bytes of all files."""
        return sum(path.stat().st_size for path in self._directory.iterdir())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.end(signal.SIGKILL)


def _work(pipe: Connection) -> None:
    """Be a worker until the end, which is never that of the function."""
    try:
        meters = Meters()
        pipe.send("ready")
        while True:
            what, args = pipe.recv()
            pipe.send(_do(meters, pipe, what, *args))
    finally:
        os._exit(1)


def _do(meters: Meters, pipe: Connection, what: str, *args: Any) -> Any:
    match what:
        case "scrape":
            return seen(meters, named("acme"), *args)
        case "watch":
            return [_served(meters) for _ in range(*args)]
        case "count for ever":
            return _count_for_ever(meters, pipe)
        case _:
            return getattr(meters, what)(*args)


def _served(meters: Meters) -> float:
    return seen(meters, named("acme"), "broker_token_requests_total")["served", "fresh"]


def _count_for_ever(meters: Meters, pipe: Connection) -> None:
    counted = 0
    while True:
        meters.requests("served", "fresh", 0.002)
        counted += 1
        pipe.send(counted)
