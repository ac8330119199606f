"""One fetch over HTTP under a real deadline: what its two threads know of each other.

Timeouts of sockets are per receive and name resolution has none, so the fetch runs on a carrier
thread. Whoever wants the document gives up on it at the deadline and shuts its connection down.
"""

import socket
import ssl
from contextlib import suppress
from threading import Event, Lock
from typing import Any

from urllib3 import exceptions as client
from urllib3.connection import HTTPConnection, HTTPSConnection

from broker.kubernetes.failure import KeysError, KeysFailure

# The first that fits counts: some of these are subclasses of others below them.
_KINDS: tuple[tuple[type[Exception], KeysFailure], ...] = (
    (client.NewConnectionError, KeysFailure.CONNECT),
    (client.TimeoutError, KeysFailure.TIMEOUT),
    (TimeoutError, KeysFailure.TIMEOUT),
    (ssl.SSLError, KeysFailure.TLS),
    (client.SSLError, KeysFailure.TLS),
)


class Fetch:
    """The state that the waiting thread and the carrier share."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._done = Event()
        self._abandoned = False
        self._handle: socket.socket | None = None
        self._outcome: bytes | KeysError = KeysError(KeysFailure.TIMEOUT)

    @property
    def ended(self) -> bool:
        """Whether its carrier has nothing more to do."""
        return self._done.is_set()

    def hold(self, connected: socket.socket) -> socket.socket:
        """Remember a duplicate of the connection, so that giving up can end it; return it."""
        with self._lock:
            if not self._abandoned:
                self._handle = connected.dup()
                return connected
        connected.close()
        raise TimeoutError

    def finish(self, outcome: bytes | KeysError) -> None:
        """Let go of the connection and hand the outcome over."""
        with self._lock:
            if not self._abandoned:
                self._outcome = outcome
            if self._handle is not None:
                self._handle.close()
                self._handle = None
        self._done.set()

    def wait(self, timeout: float) -> bytes | KeysError:
        """Return the outcome; after ``timeout`` seconds without one, give up on the fetch."""
        self._done.wait(timeout)
        with self._lock:
            if not self._done.is_set():
                self._abandoned = True
                if self._handle is not None:
                    with suppress(OSError):
                        self._handle.shutdown(socket.SHUT_RDWR)
            return self._outcome


class Connection(HTTPConnection):
    """A connection for one fetch."""

    auto_open = 0  # once: a connection that broke is not opened again
    debuglevel = 0  # whatever a debugging session sets on http.client, headers are not printed

    def __init__(self, fetch: Fetch, host: str, port: int, **options: Any) -> None:
        super().__init__(host, port, **options)
        self._fetch = fetch

    def _new_conn(self) -> socket.socket:
        return self._fetch.hold(super()._new_conn())


class TlsConnection(Connection, HTTPSConnection):
    """The same over TLS."""


def kind_of(error: Exception) -> KeysFailure:
    """Return the word for what went wrong on the carrier; the error itself stays there."""
    if isinstance(error, KeysError):
        return error.failure
    # urllib3 wraps what breaks a body, and names the reason as the cause.
    reason = error.__cause__ if isinstance(error, client.ProtocolError) else None
    for kind_of_error, kind in _KINDS:
        if isinstance(reason or error, kind_of_error):
            return kind
    return KeysFailure.BROKEN
