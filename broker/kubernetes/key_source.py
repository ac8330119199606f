"""Where the cluster's keys come from: the API server's JWKS document."""

import logging
import ssl
from collections.abc import Callable
from contextlib import closing
from http import HTTPStatus
from threading import Thread
from urllib.parse import SplitResult, urlsplit

from urllib3.response import HTTPResponse

from broker import __version__
from broker.kubernetes.failure import KeysError, KeysFailure
from broker.kubernetes.fetching import Connection, Fetch, TlsConnection, kind_of
from broker.secret import Secret

FETCH_TIMEOUT = 1.0
"""Longest whole fetch in seconds, name resolution to the last byte."""
CONNECT_TIMEOUT = 0.5
"""Longest wait for a connection in seconds."""
BODY_LIMIT = 65536
"""Longest document in bytes."""
_PIECE = 8192


class KeySource:
    """The JWKS at ``jwks_url``, read with the broker's own token as Bearer.

    The token is for the cluster: it is shown to ``token_host`` only. ``token`` and ``tls`` are
    called for each fetch and return the token, and what the server is verified with, as they are
    then: the kubelet renews both. Without ``tls`` the system's certificate authorities count.
    Raises ValueError for a URL that cannot be used.
    """

    def __init__(
        self,
        jwks_url: str,
        *,
        token: Callable[[], Secret],
        token_host: str,
        tls: Callable[[], ssl.SSLContext] | None,
    ) -> None:
        self._url = _split(jwks_url)
        self._token = token if self._url.hostname == token_host else None
        self._tls = tls or ssl.create_default_context
        self._last = Fetch()
        self._last.finish(b"")
        # What it warns of shows what the server sent, which may be our own header.
        logging.getLogger("urllib3.connection").addFilter(_drop)

    def fetch(self) -> bytes:
        """Return the document, within ``FETCH_TIMEOUT`` seconds; raises KeysError.

        Nothing can end the lookup of a name: while one that was given up on goes on, no other is
        begun, and the fetch has failed for the same reason.
        """
        if not self._last.ended:
            raise KeysError(KeysFailure.TIMEOUT)
        self._last = fetch = Fetch()
        try:
            Thread(target=self._carry, args=(fetch,), name="jwks-fetch", daemon=True).start()
        except RuntimeError:
            fetch.finish(KeysError(KeysFailure.CRASHED))
        outcome = fetch.wait(FETCH_TIMEOUT)
        if isinstance(outcome, KeysError):
            raise outcome
        return outcome

    def _carry(self, fetch: Fetch) -> None:
        outcome: bytes | KeysError
        try:
            outcome = self._converse(fetch)
        except Exception as error:  # noqa: BLE001  # whatever it is becomes a word, no more
            outcome = KeysError(kind_of(error))
        fetch.finish(outcome)

    def _converse(self, fetch: Fetch) -> bytes:
        headers = self._headers()
        with closing(self._connection(fetch)) as connection:
            connection.connect()
            connection.timeout = FETCH_TIMEOUT
            connection.request(
                "GET", self._target(), headers=headers, preload_content=False, decode_content=False
            )
            with closing(connection.getresponse()) as response:
                return _body(response)

    def _headers(self) -> dict[str, str]:
        own = {} if self._token is None else {"Authorization": f"Bearer {self._token().reveal()}"}
        return own | {
            "Accept": "application/jwk-set+json, application/json",
            "Accept-Encoding": "identity",
            "Connection": "close",
            "User-Agent": f"canvas-token-broker/{__version__}",
        }

    def _connection(self, fetch: Fetch) -> Connection:
        host, port = self._url.hostname or "", self._url.port
        if self._url.scheme == "http":
            return Connection(fetch, host, port or 80, timeout=CONNECT_TIMEOUT)
        context = self._tls()
        return TlsConnection(fetch, host, port or 443, timeout=CONNECT_TIMEOUT, ssl_context=context)

    def _target(self) -> str:
        return (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    else:
        if usable and parts.username is None:
            return parts
    raise ValueError("the JWKS URL must be an absolute http or https URL without a user")


def _body(response: HTTPResponse) -> bytes:
    if response.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise KeysError(KeysFailure.FORBIDDEN)
    if response.status != HTTPStatus.OK:
        raise KeysError(KeysFailure.STATUS)
    body = bytearray()
    while piece := response.read(_PIECE):
        body += piece
        if len(body) > BODY_LIMIT:
            raise KeysError(KeysFailure.OVERSIZE)
    return bytes(body)


def _drop(_record: logging.LogRecord) -> bool:
    return False
