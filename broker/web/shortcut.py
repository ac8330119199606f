"""From gunicorn's parser to the express lane and back to the socket, without WSGI between them.

gunicorn has read and checked the request. Here its environment is not built, its answer is sent in
one piece in place of two, and the date is made once a second. Only a plain ``GET /token`` may go
this way, or a plain form whose body is there: none with an expectation, or with a header of ours
sent twice.
"""

import time
from email.utils import formatdate
from functools import lru_cache
from typing import Any

from gunicorn import SERVER

from broker.web.answer import Answer
from broker.web.desk import Identify
from broker.web.express import Asked, by_header, plain_form, plain_wish
from broker.web.token_endpoint import MEDIA_TYPE, by_grant

_URI = "/token"
_HEEDED = frozenset(
    {"AUTHORIZATION", "X-REQUEST-ID", "TRACEPARENT", "CONTENT-TYPE", "CONTENT-LENGTH"}
)
_SPECIAL = frozenset({"TRANSFER-ENCODING", "EXPECT", "UPGRADE"})


def plain(req: Any, client: Any, body: bytes | None = None) -> Asked | None:
    """Return what gunicorn's request asks for, None for one that is to go the usual way.

    ``body`` is what came with it; without, only a ``GET`` is plain.
    """
    headers = _heeded(req.headers)
    if headers is None:
        return None
    identify = _identify_get(req.uri, headers) if req.method == "GET" else None
    if req.method == "POST" and req.uri == _URI and body is not None:
        identify = _identify_post(headers, body)
    if identify is None:
        return None
    ids = headers.get("X-REQUEST-ID"), headers.get("TRACEPARENT")
    return Asked(req.method, identify, *ids, _host(client))


def _identify_get(uri: str, headers: dict[str, str]) -> Identify | None:
    if not uri.startswith(_URI) or "#" in uri or "CONTENT-LENGTH" in headers:
        return None
    wish = plain_wish(uri[len(_URI) + 1 :]) if uri[len(_URI) :][:1] in {"", "?"} else None
    return None if wish is None else by_header(headers.get("AUTHORIZATION"), wish)


def _identify_post(headers: dict[str, str], body: bytes) -> Identify | None:
    sent = headers.get
    if sent("CONTENT-TYPE") != MEDIA_TYPE or sent("CONTENT-LENGTH") != str(len(body)):
        return None
    form = plain_form(body)
    return None if form is None else by_grant(MEDIA_TYPE, sent("AUTHORIZATION"), lambda: form)


def _host(client: Any) -> str:
    """Return what WSGI calls ``REMOTE_ADDR`` of host and port, or of a path."""
    if isinstance(client, bytes):
        return client.decode()
    return client if isinstance(client, str) else str(client[0])


def _heeded(headers: list[tuple[str, str]]) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for name, value in headers:
        if name in _HEEDED:
            if name in found:
                return None
            found[name] = value
        elif name in _SPECIAL:
            return None
    return found


def wire(version: tuple[int, int], answer: Answer, request_id: str, *, close: bool) -> bytes:
    """Return all bytes of an answer, as gunicorn would send them."""
    status, headers = answer.head(request_id)
    lines = [
        f"HTTP/{version[0]}.{version[1]} {status}",
        f"Server: {SERVER}",
        f"Date: {_date(int(time.time()))}",
        f"Connection: {'close' if close else 'keep-alive'}",
        *(f"{name}: {value}" for name, value in headers),
        "\r\n",
    ]
    return "\r\n".join(lines).encode("latin-1") + answer.body


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
