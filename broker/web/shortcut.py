"""From gunicorn's parser to the express lane and back to the socket, without WSGI between them.

gunicorn has read and checked the request. Here its environment is not built, its answer is sent in
one piece in place of two, and the date is made once a second. Only a plain ``GET /token`` may go
this way: none with a body, with an expectation, or with a header of ours sent twice.
"""

import time
from email.utils import formatdate
from functools import lru_cache
from typing import Any

from gunicorn import SERVER

from broker.web.answer import Answer
from broker.web.express import Asked, by_header, plain_wish

_URI = "/token"
_HEEDED = frozenset({"AUTHORIZATION", "X-REQUEST-ID", "TRACEPARENT"})
_SPECIAL = frozenset({"CONTENT-LENGTH", "TRANSFER-ENCODING", "EXPECT", "UPGRADE"})


def plain(req: Any, client: Any) -> Asked | None:
    """Return what gunicorn's request asks for, None for one that is to go the usual way."""
    uri = req.uri
    if req.method != "GET" or not uri.startswith(_URI) or "#" in uri:
        return None
    wish = plain_wish(uri[len(_URI) + 1 :]) if uri[len(_URI) :][:1] in {"", "?"} else None
    headers = _heeded(req.headers)
    if wish is None or headers is None:
        return None
    sent = headers.get
    identify = by_header(sent("AUTHORIZATION"), wish)
    return Asked("GET", identify, sent("X-REQUEST-ID"), sent("TRACEPARENT"), _host(client))


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
