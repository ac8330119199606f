"""A bounded queue of lines and the one thread that writes them: a sink may hang, nobody else does.

Each process has its own thread, which starts with its first line, so also after a fork. What was
waiting at the fork belongs to the parent, which writes it.
"""

import os
import time
from abc import ABC, abstractmethod
from collections import deque
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Event, RLock, Thread

from broker.output.sinks import Sink, pieces

CAPACITY = 10_000
"""Lines that wait for a sink that does not take them; what comes then is counted as lost."""
RETRY = 1.0
"""Seconds until a sink that failed is tried again."""
_BATCH = 500
_POLL = 0.01


class LineQueue(ABC):
    """Takes lines, each with its end, from any thread at once and without fail; one writes them.

    ``gather`` is the seconds in which lines gather, to be written together.
    """

    def __init__(
        self,
        name: str,
        sink: Sink,
        *,
        gather: float = 0.0,
        capacity: int = CAPACITY,
        retry: float = RETRY,
    ) -> None:
        self._name = name
        self._sink = sink
        self._gather = gather
        self._capacity = capacity
        self._retry = retry
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        """Begin with nothing; in a child, locks that other threads of the parent held are gone."""
        # Both are reentrant: a signal handler may log in the middle of a put.
        self._lines: SimpleQueue[bytes | Event] = SimpleQueue()
        self._lock = RLock()
        self._unsent: deque[bytes] = deque()
        self._lost = self._reported = 0
        self._failing = False
        self._thread: Thread | None = None

    @abstractmethod
    def lost_line(self, count: int) -> bytes:
        """Return the line that says how many there was no room for."""

    @abstractmethod
    def on_loss(self) -> None:
        """Count a line that there was no room for; must neither raise nor block."""

    @abstractmethod
    def on_failure(self, error: OSError | None) -> None:
        """Note that the sink has begun to fail, or with None that it works again."""

    def put(self, *lines: bytes) -> None:
        """Take lines; never waits and never raises."""
        room = max(self._capacity - self._lines.qsize(), 0)
        for line in lines[:room]:
            self._lines.put(line)
        for _ in lines[room:]:
            with self._lock:
                self._lost += 1
            self.on_loss()
        if lines and self._thread is None:
            self._start()

    def flush(self, timeout: float) -> bool:
        """Wait until all that was put before is written; False if it takes over ``timeout`` s.

        Gives up at once where the sink fails.
        """
        if self._thread is None and self._lines.empty():
            return True
        done = Event()
        self._lines.put(done)
        self._start()
        until = time.monotonic() + timeout
        while not done.wait(_POLL):
            if self._failing or time.monotonic() >= until:
                return False
        return True

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None:
                return
            self._thread = Thread(target=self._run, name=self._name, daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # no thread now; the next item tries again
                self._thread = None

    def _run(self) -> None:
        while True:
            done = self._take()
            while not self._send():
                time.sleep(self._retry)
            if done is not None:
                done.set()

    def _take(self) -> Event | None:
        """Wait for lines and take them, up to one that somebody waits for."""
        found = [self._lines.get()]
        if not isinstance(found[0], Event) and self._lines.qsize() < _BATCH:
            time.sleep(self._gather)
        with suppress(Empty):
            while len(found) < _BATCH and not isinstance(found[-1], Event):
                found.append(self._lines.get_nowait())
        done = found.pop() if isinstance(found[-1], Event) else None
        lines = [line for line in found if isinstance(line, bytes)]
        if missing := self._lost - self._reported:
            self._reported += missing
            lines.append(self.lost_line(missing))
        self._unsent.extend(pieces(lines))
        return done if isinstance(done, Event) else None

    def _send(self) -> bool:
        """Write what is not sent; where the sink fails nothing is forgotten."""
        try:
            while self._unsent:
                self._sink.write(self._unsent[0])
                self._unsent.popleft()
        except OSError as error:
            if not self._failing:
                self._failing = True
                self.on_failure(error)
            return False
        if self._failing:
            self._failing = False
            self.on_failure(None)
        return True
