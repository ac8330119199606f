"""A breaker: after a failure nobody waits for Redis until one probe has gone through."""

import threading
from collections.abc import Callable
from typing import TypeVar

from broker.clock import Clock
from broker.errors import StoreUnavailableError

_T = TypeVar("_T")


class AnsweredError(StoreUnavailableError):
    """Redis answered, but not what it was asked for; the next call may fare better."""


class Breaker:
    """Lets calls through while the last one worked.

    After a :class:`~broker.errors.StoreUnavailableError` it is open: calls fail at once, but for
    one probe each ``pause`` seconds. (Not after an :class:`AnsweredError`: what is wrong with one
    organization's keys is nobody else's affair.) A hung Redis so costs one caller its limit, and
    the rest nothing (``refresh-protocol.md``, "Numbers that must fit each other").
    """

    def __init__(self, clock: Clock, pause: float) -> None:
        self._clock = clock
        self._pause = pause
        self._lock = threading.Lock()
        self._probe_at: float | None = None

    @property
    def open(self) -> bool:
        """Tell whether Redis is taken to be out of reach."""
        return self._probe_at is not None

    def call(self, operation: Callable[[], _T]) -> _T:
        """Return what ``operation`` returns; raise its error, or at once while open."""
        self._admit()
        try:
            result = operation()
        except AnsweredError:
            self._probe_at = None
            raise
        except StoreUnavailableError:
            self._probe_at = self._clock.monotonic() + self._pause
            raise
        self._probe_at = None
        return result

    def _admit(self) -> None:
        with self._lock:
            if self._probe_at is None:
                return
            now = self._clock.monotonic()
            if now < self._probe_at:
                raise StoreUnavailableError("Redis did not answer a moment ago")
            self._probe_at = now + self._pause
