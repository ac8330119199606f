"""A breaker: after a failure nobody waits for Redis until one probe has gone through."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from broker.clock import Clock
from broker.errors import StoreUnavailableError

if TYPE_CHECKING:
    from broker.store_faults import Reason

_T = TypeVar("_T")


class AnsweredError(StoreUnavailableError):
    """Redis answered, but not what it was asked for; the next call may fare better."""


class Breaker:
    """Lets calls through while the last one worked.

    After a :class:`~broker.errors.StoreUnavailableError` it is open: calls fail at once, for the
    same reason, but for one probe each ``pause`` seconds. (Not after an :class:`AnsweredError`:
    what is wrong with one organization's keys is nobody else's affair.) A hung Redis so costs one
    caller its limit, and the rest nothing (``refresh-protocol.md``, "Numbers that must fit each
    other"). Each ``node`` of a cluster counts for itself: one that fails keeps nobody from the
    others.
    """

    def __init__(self, clock: Clock, pause: float) -> None:
        self._clock = clock
        self._pause = pause
        self._lock = threading.Lock()
        self.open: dict[str, tuple[float, Reason]] = {}
        """The nodes that are taken to be out of reach: when each is tried again, and why it is."""

    def reason(self, node: str = "") -> "Reason | None":
        """Return why Redis, or this node of it, is taken to be out of reach; None if it is not."""
        found = self.open.get(node)
        return None if found is None else found[1]

    def call(self, operation: Callable[[], _T], node: str = "") -> _T:
        """Return what ``operation`` returns; raise its error, or at once while open."""
        self._admit(node)
        try:
            result = operation()
        except AnsweredError:
            self.open.pop(node, None)
            raise
        except StoreUnavailableError as error:
            self.open[node] = self._clock.monotonic() + self._pause, error.reason
            raise
        self.open.pop(node, None)
        return result

    def _admit(self, node: str) -> None:
        with self._lock:
            found = self.open.get(node)
            if found is None:
                return
            now, (probe_at, reason) = self._clock.monotonic(), found
            if now < probe_at:
                raise StoreUnavailableError("Redis failed a moment ago", reason)
            self.open[node] = now + self._pause, reason
