"""gunicorn's threaded worker, whose own errors are answered like all others: JSON, no echo."""

import json
import logging
import socket
import uuid
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
from gunicorn.workers.gthread import ThreadWorker

from broker.web.errors import UNFORESEEN

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


class BrokerWorker(ThreadWorker):
    """Answers what does not reach the application: requests that are not HTTP, or too long."""

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Answer a request that could not be read; neither answer nor log repeat any of it."""
        del req
        remote = addr[0] if isinstance(addr, tuple) and addr else ""
        extra = {"error": type(exc).__name__, "remote": remote}
        for kind, status, sentence in _MALFORMED:
            if isinstance(exc, kind) and not isinstance(exc, _OURS):
                _log.info("request.malformed", extra=extra)
                self._answer(client, status, "invalid_request", sentence)
                return
        _log.error("request.crashed", extra=extra)
        status = HTTPStatus(UNFORESEEN.status)
        self._answer(client, status, UNFORESEEN.code, UNFORESEEN.description or "")

    def _answer(self, client: socket.socket, status: HTTPStatus, code: str, sentence: str) -> None:
        body = json.dumps({"error": code, "error_description": sentence}).encode()
        headers = {
            "Connection": "close",
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "X-Request-ID": uuid.uuid4().hex,
        }
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            headers["Retry-After"] = "1"
        lines = [f"HTTP/1.1 {status.value} {status.phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        with suppress(OSError):
            client.sendall("\r\n".join([*lines, "", ""]).encode() + body)
