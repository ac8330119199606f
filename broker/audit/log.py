"""Handing audit entries to a thread that writes them, so that writing cannot slow a request."""

import logging
from collections.abc import Callable

from broker.audit.entry import AuditEntry, timestamp
from broker.clock import Clock
from broker.output.lines import CAPACITY, LineQueue
from broker.output.sinks import STANDARD_OUTPUT, DescriptorSink, Sink

GATHER = 0.05
"""Seconds in which entries gather, to be written together."""
_log = logging.getLogger(__name__)


class AuditLog(LineQueue):
    """Takes entries from any thread at once and without fail; without a sink, drops them.

    ``on_loss`` is told of each that there was no room for, at once; it must not raise. That the
    sink fails is told in the log.
    """

    def __init__(
        self,
        sink: Sink | None,
        clock: Clock,
        capacity: int = CAPACITY,
        on_loss: Callable[[], None] = lambda: None,
    ) -> None:
        self._is_kept = sink is not None  # else nothing is put
        sink = sink or DescriptorSink(STANDARD_OUTPUT)
        super().__init__("audit", sink, gather=GATHER, capacity=capacity)
        self._clock = clock
        self._count_loss = on_loss

    def write(self, *entries: AuditEntry) -> None:
        """Take entries, of this instant; never waits and never raises."""
        if self._is_kept:
            now = timestamp(self._clock.wall())
            self.put(*[_encode(entry, now) for entry in entries])

    def lost_line(self, count: int) -> bytes:
        """Return the line that stands for ``count`` lost entries."""
        now = timestamp(self._clock.wall())
        return f'{{"log":"audit","time":"{now}","event":"audit.lost","count":{count}}}\n'.encode()

    def on_loss(self) -> None:
        """Count it in the metrics."""
        self._count_loss()

    def on_failure(self, error: OSError | None) -> None:
        """Log that the sink fails, or works again."""
        if error is None:
            _log.info("audit.recovered")
        else:
            _log.error("audit.failed", extra={"reason": error.strerror})


def _encode(entry: AuditEntry, now: str) -> bytes:
    """Return the entry's line; a bad entry costs no other."""
    try:
        return entry.line(now)
    except Exception as error:  # noqa: BLE001  # whatever it was
        _log.error("audit.crashed", extra={"error": type(error).__name__})
        return b""
