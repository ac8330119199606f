"""An answer as bytes and headers, before any framework sees it.

All ways through the edge give what is made here.
"""

import time
from collections.abc import Iterable
from email.utils import formatdate
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted
from typing import NamedTuple

from flask import Response
from gunicorn import SERVER
from werkzeug.http import HTTP_STATUS_CODES

from broker.policy.answers import Served

JSON = "application/json"
Standing = tuple[tuple[str, str], ...]
"""The headers that every answer has."""
STANDING: Standing = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))


def standing(hsts_max_age: int) -> Standing:
    """Return the headers of every answer; with HSTS for so many seconds, unless that is 0.

    RFC 6797 section 7.2 forbids that header without TLS; the settings see to it.
    """
    if not hsts_max_age:
        return STANDING
    return (*STANDING, ("Strict-Transport-Security", f"max-age={hsts_max_age}"))


class Answer(NamedTuple):
    """A status, a JSON body, and the headers that this answer has beside those of every answer.

    The body is ASCII.
    """

    status: int
    body: str
    extra: tuple[tuple[str, str], ...] = ()

    def wire(
        self, version: tuple[int, int], request_id: str, standing: str, *, close: bool
    ) -> bytes:
        """Return all bytes of the answer; ``standing`` are the lines of every answer's headers."""
        status, body, extra = self
        return (
            f"{_start(version, STATUS[status], close, int(time.time()))}"
            f"Content-Type: {JSON}\r\nContent-Length: {len(body)}\r\n"
            f"{lines(extra) if extra else ''}X-Request-ID: {request_id}\r\n"
            f"{standing}\r\n{body}"
        ).encode("latin-1")

    def response(self) -> Response:
        """Return it for the framework, whose hooks add the headers of every answer."""
        response = Response(self.body, self.status, mimetype=JSON)
        for name, value in self.extra:
            response.headers[name] = value
        return response


STATUS = {number: f"{number} {phrase.upper()}" for number, phrase in HTTP_STATUS_CODES.items()}
"""The status line's end, as the framework writes it."""


def wire(
    version: tuple[int, int],
    status: str,
    headers: Iterable[tuple[str, str]],
    body: bytes,
    *,
    close: bool,
) -> bytes:
    """Return all bytes of an answer of the framework."""
    start = _start(version, status, close, int(time.time()))
    return f"{start}{lines(headers)}\r\n".encode("latin-1") + body


@lru_cache(maxsize=64)
def _start(version: tuple[int, int], status: str, close: bool, second: int) -> str:  # noqa: FBT001  # a part of the key
    """Return the status line, and the headers that are the server's."""
    return (
        f"HTTP/{version[0]}.{version[1]} {status}\r\nServer: {SERVER}\r\n"
        f"Date: {formatdate(second, usegmt=True)}\r\n"
        f"Connection: {'close' if close else 'keep-alive'}\r\n"
    )


def lines(headers: Iterable[tuple[str, str]]) -> str:
    """Return headers as lines."""
    return "".join([f"{name}: {value}\r\n" for name, value in headers])


def token_answer(served: Served) -> Answer:
    """Return the answer of ``GET /token``, as :class:`~broker.web.schemas.TokenAnswer` says."""
    return Answer(200, f"{{{_fields(served)}}}\n")


_PRAGMA = (("Pragma", "no-cache"),)  # RFC 6749 section 5.1


def grant_answer(served: Served) -> Answer:
    """Return the answer of ``POST /token``, as :class:`~broker.web.schemas.GrantAnswer` says."""
    body = f'{{{_fields(served)},"scope":{quoted(served.organization)}}}\n'
    return Answer(200, body, _PRAGMA)


def error_answer(status: int, code: str, sentence: str, *extra: tuple[str, str]) -> Answer:
    """Return an error, as :class:`~broker.web.schemas.ErrorAnswer` says."""
    body = f'{{"error":{quoted(code)},"error_description":{quoted(sentence)}}}\n'
    return Answer(status, body, extra)


def _fields(served: Served) -> str:
    organization, access_token, expires_in, refresh_in, generation, _, _ = served
    return (
        f'"access_token":{quoted(access_token.reveal())},"token_type":"Bearer",'
        f'"expires_in":{expires_in},"refresh_in":{refresh_in},'
        f'"generation":{generation},"organization":{quoted(organization)}'
    )
