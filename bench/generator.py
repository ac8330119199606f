"""The engine of the load in a process of its own, on cores of its own."""

import multiprocessing
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from bench.engine import Engine, Order, Samples

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_PATIENCE = 10.0
_YIELDING = 10
"""Priority of the load below everything else: probes and Canvas on its cores do not wait for it."""


@dataclass(frozen=True, slots=True)
class Crash:
    """Sent instead of samples."""

    reason: str


class Generator:
    """One process that carries out one order at a time."""

    def __init__(self, cores: frozenset[int]) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self._pipe: Connection[Order, Samples | Crash] = ours
        self._process = context.Process(target=_serve, args=(theirs, cores), daemon=True)
        self._process.start()
        theirs.close()

    def begin(self, order: Order) -> None:
        """Let it begin; returns at once."""
        self._pipe.send(order)

    def result(self) -> Samples:
        """Wait for what became of the order; raises ``RuntimeError`` where it crashed."""
        got = self._pipe.recv()
        if isinstance(got, Samples):
            return got
        raise RuntimeError(f"the load generator failed: {got.reason}")

    def run(self, order: Order) -> Samples:
        """Carry out one order."""
        self.begin(order)
        return self.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.close()
        self._process.join(_PATIENCE)
        if self._process.is_alive():
            self._process.kill()


def _serve(pipe: "Connection[Samples | Crash, Order]", cores: frozenset[int]) -> None:
    """Carry out orders until the other end is closed."""
    os.sched_setaffinity(0, cores)
    os.nice(_YIELDING)
    while True:
        try:
            order = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(Engine(order).run())
        except Exception as error:  # noqa: BLE001  # told by the process that ordered it
            pipe.send(Crash(f"{type(error).__name__}: {error}"))
