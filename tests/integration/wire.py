"""Raw connections to a broker: what is sent is exactly what the test says."""

import http.client
import json
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

LIMIT = 8.0


@dataclass(frozen=True)
class Answer:
    """One answer as it came over the wire."""

    status: int
    headers: "http.client.HTTPMessage"
    content: bytes

    @property
    def body(self) -> Any:
        """Return the JSON in it."""
        return json.loads(self.content)

    def text(self) -> str:
        """Return all of it, headers included, to look for what must not be there."""
        return f"{self.headers}{self.content.decode()}"


class Wire:
    """One connection, to a port or a Unix socket; answers are read one by one."""

    def __init__(
        self,
        port: int | Path,
        tls: ssl.SSLContext | None = None,
        *,
        limit: float = LIMIT,
        buffer: int | None = None,
    ) -> None:
        family = socket.AF_UNIX if isinstance(port, Path) else socket.AF_INET
        self.socket = socket.socket(family)
        if buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(limit)
        try:
            self.socket.connect(str(port) if isinstance(port, Path) else ("127.0.0.1", port))
            if tls is not None:
                self.socket = tls.wrap_socket(self.socket, server_hostname="127.0.0.1")
        except OSError:
            self.socket.close()
            raise
        self._file = self.socket.makefile("rb")

    def send(self, request: bytes) -> Self:
        """Send bytes as they are."""
        self.socket.sendall(request)
        return self

    def half_close(self) -> Self:
        """Say that nothing more comes."""
        self.socket.shutdown(socket.SHUT_WR)
        return self

    def answer(self, *, head: bool = False) -> Answer:
        """Read one answer; ``head`` if it was asked for without a body."""
        status = int(self._file.readline().split()[1])
        headers = http.client.parse_headers(self._file)
        if status == http.client.CONTINUE:
            return Answer(status, headers, b"")
        content = b"" if head else self._file.read(int(headers["Content-Length"]))
        return Answer(status, headers, content)

    def raw(self, *, head: bool = False) -> bytes:
        """Read one final answer as it comes, byte for byte."""
        lines: list[bytes] = []
        while not lines or lines[-1].strip():
            lines.append(self._file.readline())
            assert lines[-1], "the connection ended before its answer"
        if lines[0].split()[1] == b"100":
            return self.raw(head=head)
        lengths = [
            line.split(b":")[1] for line in lines if line.lower().startswith(b"content-length:")
        ]
        return b"".join(lines) + (b"" if head else self._file.read(int(lengths[0])))

    def is_closed(self) -> bool:
        """Wait for the broker to close; False if it sends something, or nothing for long."""
        try:
            return self._file.read(1) == b""
        except TimeoutError:
            return False
        except OSError:
            return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()
