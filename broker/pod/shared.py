"""One answer for many who ask at the same time."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from broker.clock import Clock

FRESH = 0.25
"""Seconds for which an answer is given again."""
T = TypeVar("T")


class Shared(Generic[T]):
    """What ``make`` returns, made by one at a time and given again for up to :data:`FRESH`."""

    def __init__(self, make: Callable[[], T], clock: Clock) -> None:
        self._make = make
        self._clock = clock
        self._lock = threading.Lock()
        self._last: tuple[float, T] | None = None

    def forget(self) -> None:
        """Forget an answer that is not given again; never waits for one that is being made."""
        if self._lock.acquire(blocking=False):
            try:
                self._forget()
            finally:
                self._lock.release()

    def _forget(self) -> None:
        if self._last is not None and not 0 <= self._clock.monotonic() - self._last[0] < FRESH:
            self._last = None

    def get(self) -> T:
        """Return the answer; raises what ``make`` raises, which is not kept.

        Its age counts from when it was done: those who waited for it take it, however long it took.
        """
        with self._lock:
            self._forget()
            if self._last is not None:
                return self._last[1]
            made = self._make()
            self._last = self._clock.monotonic(), made
            return made
