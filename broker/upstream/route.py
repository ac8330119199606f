"""Where Canvas is and the way there: builds connections; nothing else knows the URL."""

import socket
import ssl
from collections.abc import Callable
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util import make_headers

from broker.upstream.attempt import Attempt
from broker.upstream.head import Response

Contexts = Callable[[], ssl.SSLContext]
"""Returns what a server is verified with, as it is at each call."""


class Connection(HTTPConnection):
    """A connection for one attempt, which is told when it stands and asked before it is used."""

    response_class = Response
    auto_open = 0  # once: a connection that broke is not opened again behind the attempt's back
    debuglevel = 0  # whatever a debugging session sets on http.client, headers are not printed

    def __init__(self, attempt: Attempt, host: str, port: int, **options: Any) -> None:
        super().__init__(host, port, **options)
        self._attempt = attempt

    def _new_conn(self) -> socket.socket:
        return self._attempt.hold(super()._new_conn())

    def endheaders(self, message_body: Any = None, *, encode_chunked: bool = False) -> None:
        """Send the request, if the attempt is not over; http.client sends nothing earlier."""
        self._attempt.begin()
        super().endheaders(message_body, encode_chunked=encode_chunked)


class TlsConnection(Connection, HTTPSConnection):
    """The same over TLS, and through a proxy's tunnel where there is one."""


class Route:
    """Canvas's base URL, the proxy before it and the certificates it is verified with.

    ``tls`` is called for each connection and returns what the server is verified with then;
    without it the system's certificate authorities count. No proxy but ``proxy``, an ``http://``
    URL with or without user and password, is used, whatever the environment says. Raises
    ValueError for a URL that cannot be used.
    """

    def __init__(self, base_url: str, *, proxy: str | None, tls: Contexts | None) -> None:
        self._base_url = base_url
        self._canvas = _split(base_url, ("http", "https"), "the Canvas URL")
        self._proxy = _split(proxy, ("http",), "the proxy URL") if proxy else None
        self._tls = _contexts(tls) if self._canvas.scheme == "https" else None
        self._proxy_headers = _proxy_headers(self._proxy)

    def through(self, proxy: str) -> "Route":
        """Return the same way through another proxy; raises ValueError as the constructor does."""
        return Route(self._base_url, proxy=proxy, tls=self._tls)

    @property
    def proxied(self) -> bool:
        """Whether connections lead to a proxy."""
        return self._proxy is not None

    def connection(self, attempt: Attempt, timeout: float) -> Connection:
        """Return a connection, not yet opened; ``timeout`` seconds for each step of opening it."""
        near = self._proxy or self._canvas
        host, port = near.hostname or "", _port(near)
        if self._tls is None:
            return Connection(attempt, host, port, timeout=timeout)
        connection = TlsConnection(attempt, host, port, timeout=timeout, ssl_context=self._tls())
        if self.proxied:
            far = self._canvas.hostname or ""
            connection.set_tunnel(far, _port(self._canvas), headers=self._proxy_headers)
        return connection

    def target(self, path: str) -> str:
        """Return the request target for ``path`` below the base URL, its query included."""
        target = self._canvas.path.rstrip("/") + path
        if self.proxied and self._tls is None:
            _, _, authority = self._canvas.netloc.rpartition("@")
            return f"http://{authority}{target}"
        return target

    def extra_headers(self) -> dict[str, str]:
        """Return the headers that a proxy wants on the request itself."""
        return dict(self._proxy_headers) if self._tls is None else {}


def _contexts(tls: Contexts | None) -> Contexts:
    if tls is not None:
        return tls
    context = ssl.create_default_context()
    return lambda: context


def _split(url: str, schemes: tuple[str, ...], name: str) -> SplitResult:
    """Return the parts of ``url``; the error does not show it, since it may hold a password."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    else:
        if usable:
            return parts
    raise ValueError(f"{name} must be an absolute {' or '.join(schemes)} URL")


def _port(url: SplitResult) -> int:
    # Always named: http.client would look for it in the host, and take part of an IPv6 address.
    return url.port or (443 if url.scheme == "https" else 80)


def _proxy_headers(proxy: SplitResult | None) -> dict[str, str]:
    if proxy is None or proxy.username is None:
        return {}
    user, password = unquote(proxy.username), unquote(proxy.password or "")
    return dict(make_headers(proxy_basic_auth=f"{user}:{password}"))
