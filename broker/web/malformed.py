"""Requests that do not reach the application: answered like all else, in JSON and without echo."""

import json
import logging
import socket
import ssl
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from gunicorn.http import errors
from gunicorn.http.errors import (
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)

from broker.web.errors import UNFORESEEN
from broker.web.request_id import new_id

LONGEST_BODY = 65536
"""Bytes of the longest request body that the application is given."""
_log = logging.getLogger(__name__)
_MALFORMED: tuple[tuple[type[Exception], HTTPStatus, str], ...] = (
    (LimitRequestLine, HTTPStatus.REQUEST_URI_TOO_LONG, "The request line is too long."),
    (
        LimitRequestHeaders,
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "There are too many headers, or one is too long.",
    ),
    (
        UnsupportedTransferCoding,
        HTTPStatus.NOT_IMPLEMENTED,
        "This transfer coding is not supported.",
    ),
    (ParseException, HTTPStatus.BAD_REQUEST, "The request is malformed."),
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


def refuse(client: socket.socket, addr: Any, error: BaseException) -> None:
    """Answer a request that could not be read; neither answer nor log repeat any of it.

    A peer that closed the connection before it sent anything is not logged.
    """
    if isinstance(error, _CLOSED):
        return
    extra = about(type(error).__name__, addr)
    if isinstance(error, ssl.SSLError):
        _log.info("request.malformed", extra=extra)
        return
    for kind, status, sentence in _MALFORMED:
        if isinstance(error, kind) and not isinstance(error, _OURS):
            _log.info("request.malformed", extra=extra)
            _answer(client, status, "invalid_request", sentence)
            return
    _log.error("request.crashed", extra=extra)
    _answer(client, HTTPStatus(UNFORESEEN.status), UNFORESEEN.code, UNFORESEEN.description or "")


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
        return b""
    try:
        body: bytes = environ["wsgi.input"].read(LONGEST_BODY + 1)
    except _BROKEN_BODY:
        raise BrokenBodyError from None
    if len(body) < announced:
        raise BrokenBodyError
    return body


def _answer(client: socket.socket, status: HTTPStatus, code: str, sentence: str) -> None:
    body = json.dumps({"error": code, "error_description": sentence}).encode()
    headers = {
        "Connection": "close",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Cache-Control": "no-store",
        "X-Request-ID": new_id(),
    }
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "1"
    lines = [f"HTTP/1.1 {status.value} {status.phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    with suppress(OSError):
        client.sendall("\r\n".join([*lines, "", ""]).encode() + body)
