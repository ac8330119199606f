"""A line for each step, with how long it took."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE = 30.0
PAUSE = 0.1


def say(line: str) -> None:
    """Write a line at once, also into a pipe."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


class FailedError(Exception):
    """A step did not show what it should."""


class Report:
    """Tells of each step as it is over; a failure ends it all."""

    def __init__(self, write: Callable[[str], None] = say) -> None:
        self._write = write
        self._began = time.monotonic()
        self.steps = 0

    @contextmanager
    def step(self, sentence: str) -> Iterator[None]:
        """Do one step; an exception passes through once it was told."""
        began, word = time.monotonic(), "FAILED"
        try:
            yield
            word = "ok"
            self.steps += 1
        finally:
            self._write(f"{time.monotonic() - began:6.1f} s  {word:<6}  {sentence}")

    def total(self) -> None:
        """Say that all is well."""
        self._write(
            f"{time.monotonic() - self._began:6.1f} s  all {self.steps} steps as they should"
        )


def expect(truth: object, sentence: str) -> None:
    """Raise FailedError with the sentence unless something is true."""
    if not truth:
        raise FailedError(sentence)


def wait_for(
    happens: Callable[[], bool],
    otherwise: Callable[[], str],
    limit: float = PATIENCE,
    pause: float = PAUSE,
) -> None:
    """Return once something happens; raise FailedError with what is instead if it takes long."""
    until = time.monotonic() + limit
    while not happens():
        if time.monotonic() > until:
            raise FailedError(f"not within {limit:.0f} s: {otherwise()}")
        time.sleep(pause)
