"""Requests that do not reach the application: answered like all else, in JSON and without echo.

One whose first line asks for a token is counted and audited as such, whatever its rest is.
"""

import logging
import socket
import ssl
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

from gunicorn.http import errors
from gunicorn.http.errors import (
    InvalidHeader,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.http.message import Request

from broker.web import request_id
from broker.web.answer import STANDING, Answer, Standing, wire
from broker.web.desk import TOKEN_PATH, WAYS, Desk, Visit
from broker.web.errors import TABLE, ProtocolError, row_of, told
from broker.web.token_request import LONGEST_BODY, TOO_LONG, no_host, refusing

MALFORMED = "malformed"
"""Where ``app.extensions`` keeps the :class:`MalformedRequests`, for the worker."""
_log = logging.getLogger(__name__)
_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (LimitRequestLine, 414),
    (LimitRequestHeaders, 431),
    (UnsupportedTransferCoding, 501),
    (ParseException, 400),
)

# By name: the published types are older than gunicorn 27.
_OURS = tuple(
    getattr(errors, name) for name in ("InvalidResponseHeader", "InvalidResponseHeaderName")
)
_BROKEN_BODY = tuple(
    getattr(errors, name)
    for name in (
        "NoMoreData",
        "ChunkMissingTerminator",
        "InvalidChunkExtension",
        "InvalidChunkSize",
    )
)
_CLOSED = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
"""The peer left during the TLS handshake, as a TCP probe does; which it is depends on Python."""


class BrokenBodyError(ParseException):
    """The body ended early, or its chunks are malformed."""


class NamedRequest(Request):
    """gunicorn's request, which an error of its reading names: what it was for may be known."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        try:
            super().__init__(*arguments, **named)
        except ParseException as error:
            error.request = self  # type: ignore[attr-defined]  # read in MalformedRequests alone
            raise


class MalformedRequests:
    """Answers requests that could not be read; ``standing`` are the headers of every answer.

    Those for a token are the ``desk``'s; without one, where there are no tokens, no request is.
    """

    def __init__(self, desk: Desk | None, standing: Standing = STANDING) -> None:
        self._desk = desk
        self._standing = standing

    def refuse(self, client: socket.socket, addr: Any, error: Exception, req: Any = None) -> None:
        """Answer; neither answer nor log repeat any of the request. ``req`` is it, if it is known.

        What failed in TLS is not answered: there is nothing yet to answer with. A peer that closed
        the connection before it sent anything is not logged.
        """
        if isinstance(error, _CLOSED):
            return
        cause = _cause(error)
        if cause is not error:
            _log.info("request.malformed", extra=about(type(error).__name__, addr))
        if not isinstance(error, ssl.SSLError):
            request = getattr(error, "request", None) if req is None else req
            with suppress(OSError):
                client.sendall(self._answer(request, addr, cause))

    def _answer(self, request: Any, addr: Any, cause: Exception) -> bytes:
        headers = {} if request is None else dict(request.headers)
        own_id = request_id.own(headers.get("X-REQUEST-ID"))
        visit = Visit(own_id, about("", addr)["remote"] or "unix")
        answer = self._outcome(request, visit, cause)
        body = b"" if getattr(request, "method", None) == "HEAD" else answer.body
        return wire((1, 1), answer.head(own_id, self._standing), body, close=True)

    def _outcome(self, request: Any, visit: Visit, cause: Exception) -> Answer:
        desk = self._desk
        if desk is not None and request is not None and is_for_token(request.method, request.path):
            return desk.answer(visit, refusing(cause), WAYS[request.method])
        return told(cause, row_of(cause, TABLE))


def is_for_token(method: str | None, path: str | None) -> bool:
    """Tell whether a request line, as far as it could be read, asks for a token."""
    return method in WAYS and unquote(path or "") == TOKEN_PATH


def _cause(error: Exception) -> Exception:
    """Return a parser's or TLS's error in the words of the table, any other as it is."""
    if isinstance(error, ssl.SSLError):
        return ProtocolError(400)
    if isinstance(error, InvalidHeader) and error.hdr == "HOST":
        return no_host()
    for kind, status in _STATUS:
        if isinstance(error, kind) and not isinstance(error, _OURS):
            return ProtocolError(status)
    return error


def about(error: str, addr: Any) -> dict[str, str]:
    """Return what a log line says of a request: which error, and who sent it."""
    return {"error": error, "remote": addr[0] if isinstance(addr, tuple) and addr else ""}


def has_body(environ: dict[str, Any]) -> bool:
    """Tell whether a request announces a body (RFC 9112 section 6.3)."""
    return "CONTENT_LENGTH" in environ or "HTTP_TRANSFER_ENCODING" in environ


def read_body(environ: dict[str, Any]) -> bytes:
    """Return the body, or as much of it as is enough for the application to refuse it.

    Raises :class:`BrokenBodyError` if it is not what its headers announce.
    """
    announced = int(environ.get("CONTENT_LENGTH") or 0)
    if announced > LONGEST_BODY:
        return TOO_LONG
    try:
        body: bytes = environ["wsgi.input"].read(LONGEST_BODY + 1)
    except _BROKEN_BODY:
        raise BrokenBodyError from None
    if len(body) < announced:
        raise BrokenBodyError
    return body
