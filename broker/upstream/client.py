"""The Canvas client: each call is one attempt, and ends in a token pair or one classified error."""

from collections.abc import Callable
from urllib.parse import quote

from broker.clock import Clock
from broker.credentials import Credentials
from broker.errors import AmbiguousError, UpstreamError
from broker.failure_kinds import FailureKind
from broker.limits import Limits
from broker.secret import Secret
from broker.tokens import Kind, TokenPair
from broker.upstream.answer import Answer, refusal
from broker.upstream.pair import read_pair
from broker.upstream.quiet import silence_urllib3
from broker.upstream.route import Contexts, Route
from broker.upstream.wire import Request, exchange


class CanvasClient:
    """Canvas at ``base_url``, reached directly or through ``proxy``.

    ``proxy`` is called for each request and returns an ``http://`` URL, with user and password
    where it wants them; the environment's proxies are ignored. ``tls`` is called for each
    connection and returns what Canvas is verified with; without it the system's certificate
    authorities count. From here on urllib3 logs nothing in this process. Raises ValueError for a
    URL that cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        limits: Limits,
        clock: Clock,
        *,
        proxy: Callable[[], str] | None = None,
        tls: Contexts | None = None,
    ) -> None:
        silence_urllib3()
        self._proxy = proxy
        self._route = Route(base_url, proxy=proxy() if proxy else None, tls=tls)
        self._limits = limits
        self._clock = clock

    def authenticate(self, credentials: Credentials) -> TokenPair:
        """Exchange the keys for a token pair, within ``limits.upstream_timeout`` seconds.

        Raises one :class:`~broker.errors.UpstreamError`, without cause, URL or body.
        """
        return self._call(Kind.AUTHENTICATE, _request("/Authenticate", credentials))

    def refresh(self, credentials: Credentials, refresh_token: Secret) -> TokenPair:
        """Redeem a refresh token, within ``limits.upstream_timeout`` seconds.

        Raises one :class:`~broker.errors.UpstreamError`, without cause, URL or body.
        """
        return self._call(Kind.REFRESH, _refresh_request(credentials, refresh_token))

    def _call(self, kind: Kind, request: Request) -> TokenPair:
        route = self._route.through(self._proxy()) if self._proxy else self._route
        answer = exchange(route, request, self._limits, self._clock)
        outcome = self._outcome(answer, kind)
        if isinstance(outcome, UpstreamError):
            raise outcome
        return outcome

    def _outcome(self, answer: Answer, kind: Kind) -> TokenPair | UpstreamError:
        try:
            return refusal(answer, kind, self._limits.retry_after_max) or read_pair(answer)
        except Exception:  # noqa: BLE001  # a defect; its traceback would hold the body
            return AmbiguousError(FailureKind.UNREADABLE)


def _refresh_request(credentials: Credentials, refresh_token: Secret) -> Request:
    path = f"/RefreshAccessToken?refreshToken={quote(refresh_token.reveal(), safe='')}"
    return _request(path, credentials)


def _request(path: str, credentials: Credentials) -> Request:
    headers = {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "Consumer": credentials.consumer.reveal(),
        "SecretKey": credentials.secret_key.reveal(),
    }
    return Request(path, headers)
