"""Tries the way to Canvas step by step, without keys: nothing here counts as a login."""

import socket
import ssl
from contextlib import closing
from dataclasses import dataclass, replace
from http import HTTPStatus
from urllib.parse import SplitResult, urlsplit

from broker.clock import Clock
from broker.errors import UpstreamError
from broker.failure_kinds import FailureKind
from broker.limits import Limits
from broker.upstream.answer import Answer
from broker.upstream.lifetime import http_date
from broker.upstream.quiet import silence_urllib3
from broker.upstream.route import Contexts, Route
from broker.upstream.wire import Request, exchange

_PATH = "/"
_PORTS = {"http": 80, "https": 443}
_LARGEST_PAGE = 1 << 20
_HALF_A_SECOND = 0.5


class ProbeError(Exception):
    """A step failed; ``kind`` says of what, ``reason`` what OpenSSL says of a certificate."""

    def __init__(self, kind: str, reason: str = "") -> None:
        self.kind = kind
        self.reason = reason
        super().__init__(kind)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of Canvas; ``ahead`` is by how many seconds its clock is before this host's.

    ``ahead`` is exact to a second, and None if the answer bore no date.
    """

    status: int
    ahead: float | None

    @property
    def failing(self) -> bool:
        """Whether Canvas, or what stands before it, says that it cannot serve now."""
        return (
            self.status >= HTTPStatus.INTERNAL_SERVER_ERROR
            or self.status == HTTPStatus.TOO_MANY_REQUESTS
        )


class CanvasProbe:
    """The way to Canvas at ``base_url``, through ``proxy`` where there is one.

    Arguments and errors are those of :class:`~broker.upstream.client.CanvasClient`. Each method is
    one step and raises ProbeError; a step presumes that those before it went well.
    """

    def __init__(
        self,
        base_url: str,
        limits: Limits,
        clock: Clock,
        *,
        proxy: str | None = None,
        tls: Contexts | None = None,
    ) -> None:
        silence_urllib3()
        self._route = Route(base_url, proxy=proxy, tls=tls)
        self._canvas = urlsplit(base_url)
        self._near = urlsplit(proxy) if proxy else self._canvas
        self._tls = tls or ssl.create_default_context
        # What a visitor is shown may be longer than what the broker takes for tokens.
        self._limits = replace(limits, upstream_body_limit=_LARGEST_PAGE)
        self._clock = clock

    @property
    def proxied(self) -> bool:
        """Whether the way leads through a proxy, so that the first two steps are about it."""
        return self._route.proxied

    @property
    def secure(self) -> bool:
        """Whether Canvas is spoken to over TLS."""
        return self._canvas.scheme == "https"

    def resolve(self) -> int:
        """Resolve the name and return how many addresses it has; as slow as the system is."""
        host, port = _address(self._near)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            found = []
        if not found:
            raise ProbeError(FailureKind.DNS)
        return len({each[4][0] for each in found})

    def connect(self) -> None:
        """Open a connection, and close it."""
        self._open().close()

    def shake_hands(self) -> str:
        """Speak TLS with Canvas, verify its certificate, and return the version of TLS.

        Through a proxy this is not tried alone: ``ask`` does it.
        """
        context = self._tls()
        host, _ = _address(self._canvas)
        with closing(self._open()) as plain:
            outcome = _version(context, plain, host)
        if isinstance(outcome, ProbeError):
            raise outcome
        return outcome

    def ask(self) -> Reply:
        """Ask for the base URL without keys, within ``limits.upstream_timeout`` seconds."""
        outcome = self._outcome()
        if isinstance(outcome, ProbeError):
            raise outcome
        date = http_date(outcome.date)
        ahead = None if date is None else date + outcome.age + _HALF_A_SECOND - outcome.arrived
        return Reply(outcome.status, ahead)

    def _open(self) -> socket.socket:
        kind = FailureKind.CONNECT
        try:
            return socket.create_connection(
                _address(self._near), self._limits.upstream_connect_timeout
            )
        except TimeoutError:
            kind = FailureKind.CONNECT_TIMEOUT
        except OSError:
            pass
        raise ProbeError(kind)

    def _outcome(self) -> Answer | ProbeError:
        request = Request(_PATH, {"Accept": "*/*"})
        try:
            return exchange(self._route, request, self._limits, self._clock)
        except UpstreamError as error:
            return ProbeError(error.kind)


def _version(context: ssl.SSLContext, plain: socket.socket, host: str) -> str | ProbeError:
    try:
        with context.wrap_socket(plain, server_hostname=host) as secure:
            return secure.version() or ""
    except ssl.SSLCertVerificationError as error:
        return ProbeError(FailureKind.TLS, error.verify_message)
    except TimeoutError:
        return ProbeError(FailureKind.CONNECT_TIMEOUT)
    except OSError:
        return ProbeError(FailureKind.TLS)


def _address(url: SplitResult) -> tuple[str, int]:
    return url.hostname or "", url.port or _PORTS[url.scheme]
