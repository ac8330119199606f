"""A request as it comes in, piece by piece, through gunicorn's parser and within bounds.

The parser is gunicorn's for events, in pure Python: it takes what has come and keeps what is not
whole. Of a body no more is kept than is enough to refuse it.
"""

import re
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes, urlsplit

from gunicorn.asgi.parser import InvalidRequestLine, ParseError, PythonProtocol

from broker.web.token_request import LONGEST_BODY, TOO_LONG

LONGEST_LINE = 2048
"""Bytes of the longest request line."""
LONGEST_HEADER = 8190
"""Bytes of the longest header, with its line end."""
MOST_HEADERS = 64
"""Headers of one request."""
LEAST_CHUNK = 16
"""Bytes of its body for which each piece of a chunk counts at least: to read it costs as much."""
LONGEST_RAW = 8192
"""Bytes of a request up to which it is remembered as it came."""
_LATER = re.compile(rb"\A(\r?\n?[^\r\n]* HTTP/1\.)[2-9](\r\n)")
_CODINGS = frozenset({b"compress", b"deflate", b"gzip"})

Headers = list[tuple[bytes, bytes]]


class BrokenBodyError(ParseError):
    """The body ended early."""


class ExpectationError(ParseError):
    """The request expects something that is not known here (RFC 9110 section 10.1.1)."""


class _Enough(Exception):  # noqa: N818  # not an error: the parser is to stop
    """More of the body has come than is ever read."""


class Sent(NamedTuple):
    """A request that is there as a whole; names of headers are in lower case.

    ``path`` is decoded, and has one character for each byte. ``closes`` says that no other request
    can follow on the connection: it was asked for, or the body was not read to its end.
    """

    method: str
    target: str
    path: str
    query: str
    version: tuple[int, int]
    headers: Headers
    body: bytes
    closes: bool


class Reading:
    """One request while it comes in."""

    __slots__ = ("_awaited", "_body", "_left", "_line", "_parser", "_raw", "headed")

    def __init__(self) -> None:
        self._body: list[bytes] = []
        self._left = LONGEST_BODY
        self._raw: bytes | None = b""
        self._awaited = False
        self._line: bytes | None = b""
        self.headed = False
        """Whether the head has come."""
        self._parser = PythonProtocol(
            on_headers_complete=self._end_of_head,
            on_body=self._take,
            limit_request_line=LONGEST_LINE,
            limit_request_fields=MOST_HEADERS,
            limit_request_field_size=LONGEST_HEADER,
        )

    @property
    def begun(self) -> tuple[str, str, Headers]:
        """Return method, path and headers as far as they are known; empty where they are not."""
        method, target = self._parser.method, self._parser.path
        path = ""
        with suppress(ParseError):
            path, _ = _parts((target or b"").decode("latin-1"))
        return (method or b"").decode("latin-1"), path, self._parser.headers

    def take(self, data: bytes) -> Sent | None:
        """Take what has come; return the request once it is whole.

        Raises gunicorn's ParseError.
        """
        if self._raw is not None:
            self._raw = self._raw + data if len(self._raw) + len(data) <= LONGEST_RAW else None
        if self._line is not None:
            data = self._line = self._line + data
            if data.find(b"\n", 2) < 0 and len(data) <= LONGEST_LINE:
                return None
            self._line = None
            data = _LATER.sub(rb"\g<1>1\2", data)
        try:
            self._parser.feed(data)
        except _Enough:
            return self._whole(TOO_LONG)
        except ValueError:  # a length with more digits than Python reads
            raise ParseError from None
        if not self._parser.is_complete:
            return None
        return self._whole(TOO_LONG if self._left < 0 else b"".join(self._body))

    def rest(self) -> bytes:
        """Return what has come beyond the request."""
        rest: bytes = self._parser.remaining()
        return rest

    @property
    def raw(self) -> bytes | None:
        """Return all that has come, if it is short."""
        return self._raw

    def wants_word(self) -> bool:
        """Tell, once, whether the client waits to be told to send its body."""
        awaited, self._awaited = self._awaited, False
        return awaited and not self._body

    def _end_of_head(self) -> bool:
        """Note that the head is there; return whether its body is not to be read."""
        self.headed = True
        parser: Any = self._parser
        expected = [value.lower() for name, value in parser.headers if name == b"expect"]
        if any(one != b"100-continue" for one in expected):
            raise ExpectationError
        if (parser.content_length or 0) > LONGEST_BODY:
            self._left = -1
            return True
        has_body = parser.is_chunked or bool(parser.content_length)
        self._awaited = bool(expected) and has_body and parser.http_version > (1, 0)
        return False

    def _take(self, piece: bytes) -> None:
        parser: Any = self._parser
        self._left -= max(len(piece), LEAST_CHUNK) if parser.is_chunked else len(piece)
        self._body.append(piece)
        if self._left < 0:
            raise _Enough

    def _whole(self, body: bytes) -> Sent:
        parser: Any = self._parser
        method, target = parser.method.decode("ascii"), parser.path.decode("ascii")
        path, query = _parts(target)
        version = min(parser.http_version, (1, 1))
        last = self._left < 0 or closes(parser.method, version, parser.headers)
        return Sent(method, target, path, query, version, parser.headers, body, last)


def _parts(target: str) -> tuple[str, str]:
    """Return path and query of a target, which may be a whole URL (RFC 9112 section 3.2)."""
    if target.startswith("/"):
        path, _, query = target.partition("#")[0].partition("?")
    else:
        try:
            parts = urlsplit(target)
        except ValueError:
            raise InvalidRequestLine from None
        path, query = parts.path, parts.query
    if "%" in path:
        path = unquote_to_bytes(path).decode("latin-1")
    return path, query


def closes(method: bytes, version: tuple[int, int], headers: Headers) -> bool:
    """Tell whether a request is the last one on its connection (RFC 9112 section 9.3).

    What follows a ``CONNECT`` is no request, and what a coding beside chunked hides is not known.
    """
    options: set[bytes] = set()
    for name, value in headers:
        if name == b"connection":
            options.update(option.strip(b" \t") for option in value.lower().split(b","))
        elif name == b"transfer-encoding" and not _CODINGS.isdisjoint(
            coding.strip(b" \t") for coding in value.lower().split(b",")
        ):
            return True
    if b"close" in options or method == b"CONNECT":
        return True
    return version < (1, 1) and b"keep-alive" not in options
