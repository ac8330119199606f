"""Telling of refused callers without letting a guesser fill the log."""

import logging
import threading
from collections import OrderedDict

from broker.clock import Clock

INTERVAL = 60.0
"""Seconds between two lines about one address."""
REMEMBERED = 1024
"""Addresses that are told apart; the one that was heard of longest ago is forgotten."""
MOST_LINES = 30
"""Lines in :data:`INTERVAL`, whatever the addresses."""
_log = logging.getLogger(__name__)


class RefusalLog:
    """Logs ``caller.refused`` at once for a new address, then at most once in a minute for it.

    ``count`` says how many refusals a line stands for.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._addresses: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._window = -INTERVAL
        self._lines = 0

    def note(self, remote: str) -> None:
        """Count a refusal; write a line when one is due."""
        with self._lock:
            count = self._count(remote)
        if count:
            _log.warning("caller.refused", extra={"remote": remote, "count": count})

    def _count(self, remote: str) -> int:
        """Return how many refusals are to be told now; 0 if none are."""
        now = self._clock.monotonic()
        told, count = self._addresses.pop(remote, (-INTERVAL, 0))
        count += 1
        due = now - told >= INTERVAL and self._may_write(now)
        self._addresses[remote] = (now, 0) if due else (told, count)
        if len(self._addresses) > REMEMBERED:
            self._addresses.popitem(last=False)
        return count if due else 0

    def _may_write(self, now: float) -> bool:
        if now - self._window >= INTERVAL:
            self._window, self._lines = now, 0
        self._lines += 1
        return self._lines <= MOST_LINES
