"""Handing audit entries to a thread that writes them, so that writing cannot slow a request."""

import logging
import threading
from collections import deque
from collections.abc import Callable

from broker.audit.entry import AuditEntry, line, timestamp
from broker.clock import Clock
from broker.output.sinks import Sink, pieces

CAPACITY = 10_000
"""Entries that wait for a sink that does not take them; what comes then is counted as lost."""
GATHER = 0.05
"""Seconds in which entries gather, to be written together."""
RETRY = 1.0
"""Seconds until a sink that failed is tried again."""
_BATCH = 500
_log = logging.getLogger(__name__)


class AuditLog:
    """Takes entries from any thread at once and without fail; one thread writes them.

    ``on_loss`` is told of how many there was no room for, at once; it must not raise.
    """

    def __init__(
        self,
        sink: Sink | None,
        clock: Clock,
        capacity: int = CAPACITY,
        on_loss: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._sink = sink
        self._clock = clock
        self._capacity = capacity
        self._waiting: deque[AuditEntry] = deque()
        self._unsent: deque[bytes] = deque()
        self._lost = 0
        self._on_loss = on_loss
        self._counting = threading.Lock()
        self._failing = False
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def write(self, entry: AuditEntry) -> None:
        """Take an entry; never waits and never raises."""
        if self._sink is None:
            return
        if len(self._waiting) >= self._capacity:
            with self._counting:
                self._lost += 1
            self._on_loss(1)
            return
        entry.time = self._clock.wall()
        self._waiting.append(entry)
        if not self._news.is_set():
            self._news.set()

    def start(self) -> None:
        """Begin to write; to be called after the fork."""
        if self._sink is not None:
            self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
            self._thread.start()

    def stop(self, timeout: float) -> bool:
        """Write what waits, for at most ``timeout`` seconds; tell whether all was written."""
        self._stopping.set()
        self._news.set()
        if self._thread is not None:
            self._thread.join(timeout)
        return not (self._waiting or self._unsent)

    def drain(self) -> bool:
        """Write what waits now; False if the sink fails, and then nothing is forgotten."""
        while self._unsent or self._waiting or self._lost:
            if not self._unsent:
                self._unsent.extend(pieces(self._next_lines()))
            if not self._send():
                return False
        return True

    def _run(self) -> None:
        while True:
            self._news.wait()
            self._stopping.wait(GATHER)
            self._news.clear()
            while not self.drain():
                if self._stopping.wait(RETRY):
                    return
            if self._stopping.is_set():
                return

    def _next_lines(self) -> list[bytes]:
        count = min(len(self._waiting), _BATCH)
        lines = [_line_of(self._waiting.popleft()) for _ in range(count)]
        with self._counting:
            lost, self._lost = self._lost, 0
        if lost:
            lines.append(_lost_line(lost, self._clock.wall()))
        return lines

    def _send(self) -> bool:
        assert self._sink is not None  # noqa: S101  # for the type checker: see start
        try:
            while self._unsent:
                self._sink.write(self._unsent[0])
                self._unsent.popleft()
        except OSError as error:
            if not self._failing:
                self._failing = True
                _log.error("audit.failed", extra={"reason": error.strerror})
            return False
        if self._failing:
            self._failing = False
            _log.info("audit.recovered")
        return True


def _line_of(entry: AuditEntry) -> bytes:
    try:
        return entry.line()
    except Exception as error:  # noqa: BLE001  # one bad entry costs no other
        _log.error("audit.crashed", extra={"error": type(error).__name__})
        return b""


def _lost_line(count: int, now: float) -> bytes:
    return line({"time": timestamp(now), "event": "audit.lost", "count": count})
