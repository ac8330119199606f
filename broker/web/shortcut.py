"""From gunicorn's parser to the express lane, without WSGI between them.

gunicorn has read and checked the request. Here its environment is not built, and its answer is sent
in one piece in place of two. Only a plain ``GET /token`` may go this way, or a plain form whose
body is there: none with an expectation, without a valid ``Host``, or with a header of ours twice.
"""

from typing import Any

from broker.web.desk import TOKEN_PATH
from broker.web.token_endpoint import MEDIA_TYPE
from broker.web.token_request import Asked, is_host

_HEEDED = frozenset(
    {"AUTHORIZATION", "X-REQUEST-ID", "TRACEPARENT", "CONTENT-TYPE", "CONTENT-LENGTH", "HOST"}
)
_SPECIAL = frozenset({"TRANSFER-ENCODING", "EXPECT", "UPGRADE"})


def asked_of(req: Any, uri: str, client: Any, body: bytes | None = None) -> Asked | None:
    """Return what gunicorn's request for ``uri`` asks for, None for one that goes the usual way.

    ``body`` is what came with it; without, only a ``GET`` may go this way.
    """
    headers = _heeded(req.headers)
    if headers is None or not is_host(headers.get("HOST", "")):
        return None
    sent = _query(uri, headers) if req.method == "GET" else None
    if req.method == "POST" and uri == TOKEN_PATH and body is not None:
        sent = _form(headers, body)
    if sent is None:
        return None
    get = headers.get
    ids = get("X-REQUEST-ID"), get("TRACEPARENT")
    return Asked(req.method, get("AUTHORIZATION"), sent, *ids, _remote(client))


def _query(uri: str, headers: dict[str, str]) -> str | None:
    path, _, query = uri.partition("?")
    return None if path != TOKEN_PATH or "#" in query or "CONTENT-LENGTH" in headers else query


def _form(headers: dict[str, str], body: bytes) -> str | None:
    sent = headers.get
    if sent("CONTENT-TYPE") != MEDIA_TYPE or sent("CONTENT-LENGTH") != str(len(body)):
        return None
    return str(body, "latin-1")


def _remote(client: Any) -> str:
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
