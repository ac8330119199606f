"""A worker that waits in its main loop for an answered client to close, with no thread held."""

import socket
import ssl
from collections import deque
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from time import monotonic
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

LINGER = 2.0
"""Seconds that an answered client has to close: closing first could cost it the answer."""
_PIECE = 65536


class LingeringWorker(ThreadWorker):
    """gunicorn's threaded worker without its wait, on the main loop, for a client to close."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lingering: deque[Any] = deque()

    def linger(self, conn: Any) -> None:
        """Let go of a connection that is on no poller: closed by the client, or in a while."""
        try:
            conn.sock.settimeout(0)
            _say_goodbye(conn.sock)
            socket.socket.shutdown(conn.sock, socket.SHUT_WR)
            conn.timeout, conn.left = monotonic() + LINGER, _PIECE
            self.poller.register(conn.sock, EVENT_READ, partial(self._drain, conn))
            self._lingering.append(conn)
        except (OSError, ValueError):
            self.nr_conns -= 1
            conn.close()

    def _drain(self, conn: Any, client: socket.socket) -> None:
        piece = b""
        with suppress(OSError):
            piece = socket.socket.recv(client, _PIECE)
        conn.left -= len(piece)
        if not piece or conn.left <= 0:
            self._lingering.remove(conn)
            self._close(conn)

    def end_lingering(self, now: float) -> None:
        """Close those that have had their time."""
        while self._lingering and self._lingering[0].timeout < now:
            self._close(self._lingering.popleft())

    def _close(self, conn: Any) -> None:
        self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()


def _say_goodbye(client: socket.socket) -> None:
    """Tell a TLS client that nothing more comes; without waiting for its answer."""
    if isinstance(client, ssl.SSLSocket):
        with suppress(OSError, ValueError):
            client.unwrap()
