"""An answer as bytes and headers, before any framework sees it.

Both ways through the edge, the views and the express lane, give what is made here.
"""

from http import HTTPStatus
from json.encoder import encode_basestring_ascii as quoted
from typing import NamedTuple

from flask import Response

from broker.policy.answers import Served

JSON = "application/json"
Headers = list[tuple[str, str]]


class Answer(NamedTuple):
    """A status, a JSON body, and the headers that this answer has beside those of every answer."""

    status: int
    body: bytes
    extra: tuple[tuple[str, str], ...] = ()

    def head(self, request_id: str) -> tuple[str, Headers]:
        """Return the status line's end and all headers."""
        headers = [("Content-Type", JSON), ("Content-Length", str(len(self.body)))]
        headers += self.extra
        headers += [("Cache-Control", "no-store"), ("X-Request-ID", request_id)]
        return STATUS[self.status], headers

    def response(self) -> Response:
        """Return it for the framework, whose hooks add the headers of every answer."""
        response = Response(self.body, self.status, mimetype=JSON)
        for name, value in self.extra:
            response.headers[name] = value
        return response


STATUS = {one.value: f"{one.value} {one.phrase.upper()}" for one in HTTPStatus}
"""The status line's end, as the framework writes it."""


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
