"""The exchange itself, on the carrier's thread, and the one table from exception to kind.

What urllib3 raises shows URLs and pieces of bodies. None of it leaves the carrier: it becomes a
:class:`~broker.failure_kinds.FailureKind`, from which the caller's thread makes its own error.
"""

import http.client
import ssl
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from threading import Thread

from urllib3 import exceptions as client
from urllib3.response import HTTPResponse

from broker import __version__
from broker.clock import Clock
from broker.errors import NotSentError, UpstreamError
from broker.failure_kinds import FailureKind
from broker.limits import Limits
from broker.upstream.answer import Answer
from broker.upstream.attempt import Attempt
from broker.upstream.coding import EncodingError, OversizeError, codings_of, decoded
from broker.upstream.head import OversizeHeadError
from broker.upstream.lifetime import age_of, latest_date
from broker.upstream.route import Route

CARRIER = "canvas-attempt"
"""The name of every carrier thread."""
_PIECE = 16384


_HEADERS = {
    "Accept-Encoding": "identity",
    "Cache-Control": "no-cache, no-store",
    "Connection": "close",
    "Pragma": "no-cache",
    "User-Agent": f"canvas-token-broker/{__version__}",
}
"""What each request says of itself; nothing may be compressed, and no cache may answer."""
_READ = frozenset({HTTPStatus.OK, HTTPStatus.NON_AUTHORITATIVE_INFORMATION})


# The first that fits counts: some of these are subclasses of others below them.
_BEFORE_SENDING: tuple[tuple[type[Exception], FailureKind], ...] = (
    (client.NameResolutionError, FailureKind.DNS),
    (client.NewConnectionError, FailureKind.CONNECT),
    (client.ConnectTimeoutError, FailureKind.CONNECT_TIMEOUT),
    (TimeoutError, FailureKind.CONNECT_TIMEOUT),
    (ssl.SSLError, FailureKind.TLS),
    (client.SSLError, FailureKind.TLS),
)
_AFTER: tuple[tuple[type[Exception], FailureKind], ...] = (
    (OversizeError, FailureKind.OVERSIZE),
    (OversizeHeadError, FailureKind.OVERSIZE),
    (EncodingError, FailureKind.ENCODING),
    (TimeoutError, FailureKind.TIMEOUT),
    (client.TimeoutError, FailureKind.TIMEOUT),
    (http.client.RemoteDisconnected, FailureKind.CLOSED),
    (http.client.IncompleteRead, FailureKind.TRUNCATED),
    (ConnectionError, FailureKind.RESET),
)


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """What to ask Canvas; it holds secrets, so its representation tells nothing.

    ``path`` lies below the base URL and includes the query, percent-encoded.
    """

    path: str
    headers: Mapping[str, str]


def exchange(route: Route, request: Request, limits: Limits, clock: Clock) -> Answer:
    """Send ``request`` and return the answer, within ``limits.upstream_timeout`` seconds.

    Raises NotSentError if nothing was sent, AmbiguousError if something may have been.
    """
    attempt = Attempt(clock)
    carrier = _Carrier(attempt, route, request, limits, clock)
    if not _start(Thread(target=carrier.run, name=CARRIER, daemon=True)):
        raise NotSentError(FailureKind.NO_THREAD)
    outcome = attempt.wait(limits.upstream_timeout)
    if isinstance(outcome, UpstreamError):
        raise outcome
    return outcome


def _start(thread: Thread) -> bool:
    try:
        thread.start()
    except RuntimeError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Carrier:
    attempt: Attempt
    route: Route
    request: Request
    limits: Limits
    clock: Clock

    def run(self) -> None:
        """Take the request to Canvas and finish the attempt, whatever happens."""
        outcome: Answer | UpstreamError
        try:
            outcome = self._converse()
        except Exception as error:  # noqa: BLE001 - whatever it is becomes a kind, no more
            outcome = self.attempt.failure(self._kind(error))
        self.attempt.finish(outcome)

    def _converse(self) -> Answer:
        timeout = self.limits.upstream_connect_timeout
        with closing(self.route.connection(self.attempt, timeout)) as connection:
            connection.connect()
            connection.timeout = self.limits.upstream_timeout
            connection.request(
                "GET",
                self.route.target(self.request.path),
                headers={**_HEADERS, **self.request.headers, **self.route.extra_headers()},
                preload_content=False,
                decode_content=False,
            )
            with closing(connection.getresponse()) as response:
                return self._read(response)

    def _read(self, response: HTTPResponse) -> Answer:
        arrived = self.clock.wall()
        wanted = response.status in _READ
        retry_after = response.headers.getlist("Retry-After")
        return Answer(
            status=response.status,
            date=latest_date(response.headers.getlist("Date")),
            age=age_of(response.headers.getlist("Age")),
            retry_after=retry_after[0] if len(retry_after) == 1 else None,
            body=_body(response, self.limits.upstream_body_limit) if wanted else b"",
            sent=self.attempt.sent() or 0.0,
            arrived=arrived,
        )

    def _kind(self, error: Exception) -> FailureKind:
        sending = self.attempt.sent() is not None
        # urllib3 wraps what breaks a body, and names the reason as the cause.
        reason = error.__cause__ if isinstance(error, client.ProtocolError) else None
        for kind_of_error, kind in _AFTER if sending else _BEFORE_SENDING:
            if isinstance(reason or error, kind_of_error):
                return kind
        if sending:
            return FailureKind.PROTOCOL
        return FailureKind.PROXY if self.route.proxied else FailureKind.CONNECT


def _body(response: HTTPResponse, limit: int) -> bytes:
    """Return the body, decoded; ``limit`` bounds it before and after."""
    transfer = (response.headers.get("Transfer-Encoding") or "identity").lower()
    if transfer not in {"chunked", "identity"}:
        raise EncodingError  # none may be sent unasked (RFC 9110, section 10.1.4)
    codings = codings_of(response.headers.get("Content-Encoding"))
    if (response.length_remaining or 0) > limit:
        raise OversizeError
    body = bytearray()
    while piece := response.read(_PIECE):
        body += piece
        if len(body) > limit:
            raise OversizeError
    return decoded(bytes(body), codings, limit)
