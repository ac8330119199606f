"""An answer as bytes and headers, before any framework sees it.

All ways through the edge give what is made here.
"""

import time
from email.utils import formatdate
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted
from typing import NamedTuple

from flask import Response
from gunicorn import SERVER
from werkzeug.http import HTTP_STATUS_CODES

from broker.policy.answers import Served

JSON = "application/json"
Headers = list[tuple[str, str]]
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
    """A status, a JSON body, and the headers that this answer has beside those of every answer."""

    status: int
    body: bytes
    extra: tuple[tuple[str, str], ...] = ()

    def head(self, request_id: str, standing: Standing = STANDING) -> tuple[str, Headers]:
        """Return the status line's end and all headers."""
        headers = [("Content-Type", JSON), ("Content-Length", str(len(self.body)))]
        headers += (*self.extra, ("X-Request-ID", request_id), *standing)
        return STATUS[self.status], headers

    def response(self) -> Response:
        """Return it for the framework, whose hooks add the headers of every answer."""
        response = Response(self.body, self.status, mimetype=JSON)
        for name, value in self.extra:
            response.headers[name] = value
        return response


STATUS = {number: f"{number} {phrase.upper()}" for number, phrase in HTTP_STATUS_CODES.items()}
"""The status line's end, as the framework writes it."""


def wire(version: tuple[int, int], head: tuple[str, Headers], body: bytes, *, close: bool) -> bytes:
    """Return all bytes of an answer with this :meth:`Answer.head`, as gunicorn would send them."""
    status, headers = head
    lines = [
        f"HTTP/{version[0]}.{version[1]} {status}",
        f"Server: {SERVER}",
        f"Date: {_date(int(time.time()))}",
        f"Connection: {'close' if close else 'keep-alive'}",
        *(f"{name}: {value}" for name, value in headers),
        "\r\n",
    ]
    return "\r\n".join(lines).encode("latin-1") + body


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def token_answer(served: Served) -> Answer:
    """Return the answer of ``GET /token``, as :class:`~broker.web.schemas.TokenAnswer` says."""
    return Answer(200, f"{{{_fields(served)}}}\n".encode())


def grant_answer(served: Served) -> Answer:
    """Return the answer of ``POST /token``, as :class:`~broker.web.schemas.GrantAnswer` says."""
    body = f'{{{_fields(served)},"scope":{quoted(served.organization)}}}\n'.encode()
    return Answer(200, body, (("Pragma", "no-cache"),))  # RFC 6749 section 5.1


def error_answer(status: int, code: str, sentence: str, *extra: tuple[str, str]) -> Answer:
    """Return an error, as :class:`~broker.web.schemas.ErrorAnswer` says."""
    body = f'{{"error":{quoted(code)},"error_description":{quoted(sentence)}}}\n'.encode()
    return Answer(status, body, extra)


def _fields(served: Served) -> str:
    return (
        f'"access_token":{quoted(served.access_token.reveal())},"token_type":"Bearer",'
        f'"expires_in":{served.expires_in},"refresh_in":{served.refresh_in},'
        f'"generation":{served.generation},"organization":{quoted(served.organization)}'
    )
