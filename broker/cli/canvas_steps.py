"""The steps of ``broker check`` that ask Canvas; only ``authenticate`` shows any keys."""

from collections.abc import Iterator, Sequence
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from broker.cli.local_steps import CREDENTIALS, SETTINGS
from broker.cli.redis_steps import clock_finding
from broker.cli.steps import Finding, Step, fail, ok, warn
from broker.clock import Clock
from broker.credentials import Credentials
from broker.errors import UpstreamError
from broker.failure_kinds import TABLE, PolicyKind
from broker.files.tls import contexts
from broker.settings import Settings
from broker.settings.inputs import canvas_authorities, credentials
from broker.upstream import CanvasClient, FailureKind
from broker.upstream.probe import CanvasProbe, ProbeError
from broker.urls import location

if TYPE_CHECKING:
    from broker.upstream.probe import Reply

NAME, CONNECTION, TLS = "Canvas name", "Canvas connection", "Canvas TLS"
ANSWER, CLOCK = "Canvas answer", "Canvas clock"
_RESOLVING = 5.0
_RESERVE = 1.0
_ADDRESSES = 4

_NO_TLS = "TLS fails before any certificate is seen: correct scheme and port of BROKER_CANVAS_URL."


def canvas_steps(settings: Settings, clock: Clock) -> Iterator[Step]:
    """Yield the steps of the way to Canvas."""
    limits, proxy = settings.limits, settings.canvas_proxy
    try:
        probe = CanvasProbe(
            settings.canvas_url,
            limits,
            clock,
            proxy=proxy.reveal() if proxy else None,
            tls=contexts(canvas_authorities(settings)),
        )
    except ValueError:
        sentence = "BROKER_CANVAS_PROXY must begin with http://."
        yield Step(NAME, partial(fail, sentence), _RESERVE, (SETTINGS,))
        return
    near = location(proxy.reveal()) if proxy else location(settings.canvas_url)
    steps = _CanvasSteps(probe, near, settings.canvas_url)
    opening = _RESOLVING + _ADDRESSES * limits.upstream_connect_timeout
    yield Step(NAME, steps.name, _RESOLVING, (SETTINGS,))
    yield Step(CONNECTION, steps.connection, opening, (NAME,))
    alone = probe.secure and not probe.proxied
    if alone:
        yield Step(TLS, steps.tls, 2 * opening, (CONNECTION,))
    whole = limits.upstream_timeout + _RESERVE
    yield Step(ANSWER, steps.answer, whole, (TLS if alone else CONNECTION,))
    yield Step(CLOCK, steps.clock, whole, (ANSWER,))


class _CanvasSteps:
    def __init__(self, probe: CanvasProbe, near: str, canvas: str) -> None:
        self._probe = probe
        self._near = f"The proxy {near}" if probe.proxied else near
        self._canvas = canvas
        self._reply: Reply | None = None

    def name(self) -> Finding:
        """Resolve the name."""
        try:
            count = self._probe.resolve()
        except ProbeError as error:
            return fail(f"{self._near}: {_sentence(error.kind)}")
        return ok(f"{self._near} has {count} address{'' if count == 1 else 'es'}.")

    def connection(self) -> Finding:
        """Connect."""
        try:
            self._probe.connect()
        except ProbeError as error:
            return fail(f"{self._near}: {_sentence(error.kind)}")
        return ok(f"{self._near} takes the connection.")

    def tls(self) -> Finding:
        """Shake hands."""
        try:
            version = self._probe.shake_hands()
        except ProbeError as error:
            if error.reason:
                return fail(f"{_sentence(error.kind)} OpenSSL says: {error.reason}.")
            return fail(_NO_TLS if error.kind == FailureKind.TLS else _sentence(error.kind))
        return ok(f"{version}, and the certificate is trusted.")

    def answer(self) -> Finding:
        """Ask without keys."""
        try:
            self._reply = reply = self._probe.ask()
        except ProbeError as error:
            return fail(f"{self._canvas}: {_sentence(error.kind)}")
        asked = f"{self._canvas}, asked without keys, answers {reply.status}"
        if reply.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            return fail(f"{asked}. {_sentence(FailureKind.PROXY)}")
        if reply.failing:
            return warn(f"{asked}: it may be down, or ask for a pause. Try again later.")
        return ok(f"{asked}.")

    def clock(self) -> Finding:
        """Compare its clock with this host's, by the answer that came."""
        if self._reply is None or self._reply.ahead is None:
            return warn("The answer bears no Date: the clocks cannot be compared.")
        return clock_finding("Canvas", self._reply.ahead)


def authenticate_steps(settings: Settings, clock: Clock, chosen: Sequence[str]) -> Iterator[Step]:
    """Yield a step for each organization ``chosen``, all for none: its keys are shown to Canvas."""
    proxy = settings.canvas_proxy
    known = credentials(settings).current
    for name in chosen or known:
        work = partial(fail, f"There is no organization {name}: correct the option.")
        if name in known:
            client = CanvasClient(
                settings.canvas_url,
                settings.limits,
                clock,
                proxy=proxy.reveal if proxy else None,
                tls=contexts(canvas_authorities(settings)),
            )
            work = partial(_authenticate, client, known[name])
        limit = settings.limits.upstream_timeout + _RESERVE
        yield Step(f"keys of {name}", work, limit, (SETTINGS, CREDENTIALS, ANSWER))


def _authenticate(client: CanvasClient, credentials: Credentials) -> Finding:
    try:
        pair = client.authenticate(credentials)
    except UpstreamError as error:
        return fail(_sentence(error.kind))
    return ok(f"Canvas takes them, and gave a token for {pair.lifetime:.0f} s, which is forgotten.")


def _sentence(kind: str) -> str:
    found = TABLE.get(kind, PolicyKind.UNKNOWN)
    return f"{found.means[0].upper()}{found.means[1:]} ({kind}): {found.advice}."
