"""The head of an answer, made ready for http.client: the final one's, bounded in bytes.

http.client passes over no interim answer but 100, and takes 100 header lines at most, however short
they are. So the head is read here, and http.client is given the status line of the final answer
and the headers that are of use. What is invalid in them, it still refuses.
"""

import http.client
import io
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO

LONGEST = 65536
"""Bytes of the head, those of interim answers included."""
_INTERIM = re.compile(rb"HTTP/1\.[0-9] 1(?!01)[0-9][0-9][\s]")
"""A status line of the class 1xx; but 101 is final, for nobody asked to switch protocols."""
_OF_USE = re.compile(
    rb"(?:Age|Connection|Content-Encoding|Content-Length|Date|Retry-After|Transfer-Encoding):",
    re.IGNORECASE,
)


class OversizeHeadError(Exception):
    """The head is longer than the limit; stays inside the carrier."""


class Response(http.client.HTTPResponse):
    """An answer of http.client whose head is read by :func:`final_head`."""

    def begin(self) -> None:
        """Read the head; raises OversizeHeadError, and what http.client raises."""
        connection = self.fp
        self.fp = io.BufferedReader(io.BytesIO(final_head(connection)))
        try:
            super().begin()
        finally:  # it is closed by whoever closes the response
            self.fp = connection


def final_head(connection: BinaryIO) -> bytes:
    """Return status line and headers of the first answer that is not interim (RFC 9110, 15.2).

    Nothing where the connection was closed before it, the first line where that is not HTTP:
    http.client has errors for both.
    """
    lines: list[bytes] = []
    left = LONGEST
    while line := connection.readline(left + 1):
        left -= len(line)
        if left < 0:
            raise OversizeHeadError
        if not lines and not line.startswith(b"HTTP/"):
            return line
        if line.strip(b"\r\n"):
            lines.append(line)
        elif _INTERIM.match(lines[0]):
            lines = []
        else:
            return b"".join([*lines[:1], *_of_use(lines[1:]), b"\r\n"])
    if lines:
        raise http.client.IncompleteRead(b"")
    return b""


def _of_use(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the headers of use, folded ones on one line (RFC 9112, 5.2)."""
    headers: list[bytes] = []
    for line in lines:
        if headers and line.startswith((b" ", b"\t")):
            headers[-1] += b" " + line.strip()
        else:
            headers.append(line.rstrip())
    return (header + b"\r\n" for header in headers if _OF_USE.match(header))
