"""gunicorn's master, as this service needs it: what passes does not end it.

gunicorn's own ends with all its workers when a single one cannot boot, or cannot be forked. At the
first start that is right: whoever started it must know. Later the reason may pass, and the other
workers serve meanwhile.
"""

import logging
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer

from broker.listener.link import Link
from broker.pod.state import PodState

BOOT_PAUSE = 2.0
"""Seconds that a worker which cannot boot waits before it ends, and the next one is tried."""
LOG_INTERVAL = 60.0
"""Seconds between two log lines about workers that cannot be started, at least."""
_CANNOT_BOOT = frozenset({Arbiter.WORKER_BOOT_ERROR, Arbiter.APP_LOAD_ERROR})
_log = logging.getLogger(__name__)


class Master(Arbiter):
    """Starts and ends workers.

    ``keep_up`` is called about once a second, and before a worker is forked: whatever it takes over
    is what the next worker begins with. ``state`` is what the processes share. After SIGTERM all
    are still served for ``drain_time`` seconds. ``link`` has the listening sockets held.
    """

    def __init__(
        self,
        app: Any,
        keep_up: Callable[[], object],
        state: PodState,
        drain_time: float = 0.0,
        link: Link | None = None,
    ) -> None:
        self._keep_up = keep_up
        self._state = state
        self._drain_time = drain_time
        self._link = link or Link(None, ())
        self._ends_at = float("inf")
        self._told = float("-inf")
        self._halting = False
        super().__init__(app)

    def manage_workers(self) -> None:
        """Take over what is new, then start and end workers until they are as many as wanted.

        Raises StopIteration, as gunicorn's own end does, once the drain is over.
        """
        if time.monotonic() >= self._ends_at:
            raise StopIteration
        self._link.keep(self.LISTENERS)
        self._keep_up()
        super().manage_workers()

    def handle_term(self) -> None:
        """Begin to drain; raises StopIteration where that is not wanted, or has begun before."""
        if not self._drain_time or self._state.draining:
            raise StopIteration
        self._ends_at = time.monotonic() + self._drain_time
        self._state.begin_drain()
        _log.info("service.draining", extra={"seconds": self._drain_time})

    def spawn_worker(self) -> int:
        """Start a worker and return its process id; 0 if that is impossible now."""
        umask = _umask()
        try:
            return super().spawn_worker()
        except SystemExit as end:
            # In the worker, which has ended.
            if end.code in _CANNOT_BOOT and self._state.booted:
                time.sleep(BOOT_PAUSE)
                sys.exit(1)
            raise
        except (OSError, RuntimeError) as error:
            if os.getpid() != self.pid:
                os._exit(1)
            os.umask(umask)  # gunicorn changes it while it makes a file
            self._tell(error)
            return 0

    def halt(self, reason: str | None = None, exit_status: int = 0) -> None:
        """End all workers, then this process."""
        self._halting = True
        self._link.close()
        super().halt(reason, exit_status)

    def reap_workers(self) -> None:
        """Take note of workers that have ended; raises HaltServer for one that could not boot.

        While the master ends already there may be more of them, which change nothing about it.
        """
        while True:
            try:
                return super().reap_workers()
            except HaltServer:
                if not self._halting:
                    raise

    def _tell(self, error: OSError | RuntimeError) -> None:
        """Log that no worker could be started; it is tried again about once a second."""
        now = time.monotonic()
        if now >= self._told + LOG_INTERVAL:
            self._told = now
            reason = getattr(error, "strerror", None) or type(error).__name__
            _log.error("worker.not_started", extra={"reason": reason})


def _umask() -> int:
    umask = os.umask(0o077)
    os.umask(umask)
    return umask
