"""A server that plays a script of bytes and pauses to whoever connects, one after the other."""

import select
import socket
import ssl
import struct
import time
from enum import Enum, auto
from threading import Event, Thread
from types import TracebackType
from typing import Self


class Act(Enum):
    """What a script can do besides sending bytes and pausing."""

    RESET = auto()
    """Close the connection with RST instead of FIN."""


class ScriptedServer:
    """Reads one request, then plays ``script``: bytes are sent, numbers are pauses in seconds.

    ``received`` holds the bytes of each connection. With ``first`` it plays without reading; with
    ``tls`` it speaks TLS, after a ``tunnel`` (a CONNECT, answered 200) if asked to. A pause ends
    when the other side hangs up, which sets ``hung_up``.
    """

    def __init__(
        self,
        *script: bytes | float | Act,
        first: bool = False,
        tls: ssl.SSLContext | None = None,
        tunnel: bool = False,
    ) -> None:
        self.received: list[bytes] = []
        self.hung_up = Event()
        self.accepted = Event()
        self._script = script
        self._first = first
        self._tls = tls
        self._tunnel = tunnel
        self._stop = Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = Thread(target=self._serve, daemon=True)

    @property
    def url(self) -> str:
        """The base URL to give to the client."""
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}/api"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(5)
        self._listener.close()

    def _serve(self) -> None:
        while not self._stop.is_set():
            if not select.select([self._listener], [], [], 0.01)[0]:
                continue
            connection, _ = self._listener.accept()
            self.accepted.set()
            try:
                self._play(connection)
            except OSError:
                self.hung_up.set()
            finally:
                connection.close()

    def _play(self, plain: socket.socket) -> None:
        plain.settimeout(5)
        if self._tunnel:
            self._read_request(plain)
            plain.sendall(b"HTTP/1.0 200 Connection established\r\n\r\n")
        connection = self._tls.wrap_socket(plain, server_side=True) if self._tls else plain
        with connection:
            if not self._first:
                self._read_request(connection)
            for step in self._script:
                self._take(step, connection)

    def _read_request(self, connection: socket.socket) -> None:
        self.received.append(b"")
        while not self.received[-1].endswith(b"\r\n\r\n"):
            piece = connection.recv(65536)
            if not piece:
                raise ConnectionResetError
            self.received[-1] += piece

    def _take(self, step: bytes | float | Act, connection: socket.socket) -> None:
        if isinstance(step, bytes):
            connection.sendall(step)
        elif isinstance(step, Act):
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        else:
            self._pause(step, connection)

    def _pause(self, seconds: float, connection: socket.socket) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if select.select([connection], [], [], left)[0] and not connection.recv(65536):
                raise ConnectionResetError
