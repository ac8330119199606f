"""One exchange with Canvas under a real deadline: what its two threads know of each other.

::

    caller                              carrier, a thread of its own
    ──────────────────────────────      ──────────────────────────────────────────
    starts the carrier
    wait(deadline)                      DNS, connect       hold(socket)
                                        TLS
                                        begin()            from here on: ambiguous
                                        request, headers, body
    the answer or the failure   ◀────── finish(…)

    or, at the deadline:
    gives up                    ──────▶ its socket is shut down; begin() refuses for good

Client timeouts are per receive, and name resolution has none: only giving up on the thread holds
the deadline against a server that drips. The lock makes "not sent" certain: either ``begin``
came first and the failure is ambiguous, or giving up did and nothing is ever sent.
"""

import socket
from contextlib import suppress
from threading import Event, Lock

from broker.clock import Clock
from broker.errors import AmbiguousError, NotSentError, UpstreamError
from broker.failure_kinds import FailureKind
from broker.upstream.answer import Answer


class AbandonedError(Exception):
    """The caller has given up on this attempt; stays inside the carrier."""


class Attempt:
    """The state that caller and carrier share; every method may be called from either."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._done = Event()
        self._abandoned = False
        self._sent: float | None = None
        self._handle: socket.socket | None = None
        self._outcome: Answer | UpstreamError | None = None

    def hold(self, connected: socket.socket) -> socket.socket:
        """Remember the connection, so that giving up can end it; return it.

        The handle is a duplicate: shutting that down ends the connection during and after TLS,
        and cannot make the TLS socket fall back to plain text.
        """
        with self._lock:
            if not self._abandoned:
                self._handle = connected.dup()
                return connected
        connected.close()
        raise AbandonedError

    def begin(self) -> None:
        """Note that sending begins now; raise AbandonedError if the caller has given up."""
        with self._lock:
            if self._abandoned:
                raise AbandonedError
            self._sent = self._clock.monotonic()

    def sent(self) -> float | None:
        """Return the monotonic instant at which sending began, or None before it."""
        with self._lock:
            return self._sent

    def failure(self, kind: FailureKind) -> UpstreamError:
        """Return the error for a failure now: definite before sending, ambiguous after."""
        return NotSentError(kind) if self.sent() is None else AmbiguousError(kind)

    def finish(self, outcome: Answer | UpstreamError) -> None:
        """Let go of the connection and hand the outcome to the caller."""
        with self._lock:
            self._outcome = outcome
            if self._handle is not None:
                self._handle.close()
                self._handle = None
        self._done.set()

    def wait(self, timeout: float) -> Answer | UpstreamError:
        """Return the outcome; after ``timeout`` seconds without one, give up on the attempt."""
        self._done.wait(timeout)
        with self._lock:
            if self._outcome is not None:
                return self._outcome
            self._abandoned = True
            if self._handle is not None:
                with suppress(OSError):
                    self._handle.shutdown(socket.SHUT_RDWR)
        sending = self.sent() is not None
        return self.failure(FailureKind.TIMEOUT if sending else FailureKind.CONNECT_TIMEOUT)
