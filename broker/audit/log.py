"""Handing audit entries to a thread that writes them, so that writing cannot slow a request."""

import logging
from collections.abc import Callable

from broker.audit.entry import AuditEntry, line, timestamp
from broker.clock import Clock
from broker.output.lines import CAPACITY, LineQueue
from broker.output.sinks import Sink

GATHER = 0.05
"""Seconds in which entries gather, to be written together."""
_log = logging.getLogger(__name__)


class AuditLog:
    """Takes entries from any thread at once and without fail; without a sink, drops them.

    ``on_loss`` is told of each that there was no room for, at once; it must not raise.
    """

    def __init__(
        self,
        sink: Sink | None,
        clock: Clock,
        capacity: int = CAPACITY,
        on_loss: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock = clock
        self._lines = None if sink is None else _Lines(sink, clock, capacity, on_loss)

    def write(self, *entries: AuditEntry) -> None:
        """Take entries, of this instant; never waits and never raises."""
        if self._lines is not None:
            now = timestamp(self._clock.wall())
            self._lines.put(*[_encode(entry, now) for entry in entries])

    def flush(self, timeout: float) -> bool:
        """Wait until what was taken is written; False if it fails or takes over ``timeout`` s."""
        return self._lines is None or self._lines.flush(timeout)


def _encode(entry: AuditEntry, now: str) -> bytes:
    """Return the entry's line; a bad entry costs no other."""
    try:
        return entry.line(now)
    except Exception as error:  # noqa: BLE001  # whatever it was
        _log.error("audit.crashed", extra={"error": type(error).__name__})
        return b""


class _Lines(LineQueue):
    """The lines on their way; a failing sink is reported in the log."""

    def __init__(
        self, sink: Sink, clock: Clock, capacity: int, on_loss: Callable[[], None]
    ) -> None:
        super().__init__("audit", sink, gather=GATHER, capacity=capacity)
        self._clock = clock
        self._on_loss = on_loss

    def lost_line(self, count: int) -> bytes:
        """Return the line that stands for ``count`` lost entries."""
        now = timestamp(self._clock.wall())
        return line({"time": now, "event": "audit.lost", "count": count})

    def on_loss(self) -> None:
        """Count it in the metrics."""
        self._on_loss()

    def on_failure(self, error: OSError | None) -> None:
        """Log that the sink fails, or works again."""
        if error is None:
            _log.info("audit.recovered")
        else:
            _log.error("audit.failed", extra={"reason": error.strerror})
