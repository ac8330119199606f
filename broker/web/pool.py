"""Threads for requests, used by gunicorn's main loop alone.

The standard library's pool makes a future with a lock and a condition for each piece of work, and
takes two locks to hand it over. Only one thread hands work out here and takes it back, so counting
is enough. A new thread is made when all are busy, up to ``most``; none ever ends before the pool.
"""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

Work = Callable[[], object]


class Ended:
    """What gunicorn wants to know of a request that has ended: whether to keep its connection."""

    keep: Any = False

    def result(self) -> Any:
        """Return what the handling returned."""
        return self.keep

    def cancelled(self) -> bool:
        """Return that nothing is cancelled here."""
        return False


class Pool:
    """At most ``most`` threads; what there is none for yet waits in its order."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._threads = 0
        self._busy = 0
        self._work: SimpleQueue[Work | None] = SimpleQueue()

    def give(self, work: Work) -> None:
        """Let a thread do ``work``, which must not raise; :meth:`take_back` when it has ended."""
        self._busy += 1
        if self._busy > self._threads < self._most:
            self._threads += 1
            threading.Thread(target=self._run, name=f"request-{self._threads}", daemon=True).start()
        self._work.put(work)

    def take_back(self) -> None:
        """Note that a piece of work has ended."""
        self._busy -= 1

    def shutdown(self, wait: bool = False, **options: Any) -> None:  # noqa: FBT001, FBT002  # what gunicorn calls
        """Let threads end when their work has; ``wait`` is what gunicorn says, and never true."""
        del wait, options
        for _ in range(self._threads):
            self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()
