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

    def get(self) -> T:
        """Return the answer; raises what ``make`` raises, which is not kept.

        Its age counts from when it was done: those who waited for it take it, however long it took.
        """
        with self._lock:
            last = self._last
            if last is not None and 0 <= self._clock.monotonic() - last[0] < FRESH:
                return last[1]
            made = self._make()
            self._last = self._clock.monotonic(), made
            return made
