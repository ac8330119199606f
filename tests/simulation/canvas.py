"""Canvas in virtual time: the emulator's semantics, read by the real client's own reading."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate

from broker.clock import Clock
from broker.credentials import Credentials
from broker.emulator.canvas import Behaviour, Canvas, UnknownRefreshTokenError, WrongKeysError
from broker.emulator.minting import Answer as Given
from broker.emulator.minting import whole_seconds
from broker.errors import AmbiguousError, NotSentError, UpstreamError
from broker.failure_kinds import FailureKind
from broker.limits import Limits
from broker.secret import Secret
from broker.tokens import Kind, TokenPair
from broker.upstream.answer import Answer, refusal
from broker.upstream.pair import read_pair
from tests.simulation.invariants import Issued, Watch
from tests.simulation.redis import EPOCH
from tests.simulation.scheduler import Process, Scheduler

STATUSES = {
    "throttled": (429, "20"),
    "throttled_bare": (429, None),
    "unavailable": (503, None),
    "unavailable_soon": (503, "3"),
    "internal": (500, None),
    "bad_gateway": (502, None),
    "gateway_timeout": (504, None),
    "redirect": (302, None),
}
BODIES = ("html", "truncated", "oversize", "wrong_types", "no_expiry", "bad_access", "past")
FLAWS = ("no_refresh_token", "no_refresh_expiry", "bare", "cached")
"""Odd, but with a good access token: no failures."""
WIRE = ("refused", "connect_timeout", "lost_request", "lost_answer", "slow")
KEYS_REFUSED = "keys_refused"
"""A 401 to the right keys; no part of ``FAULTS``, for the latch stays when its cause is gone."""
FAULTS = (*STATUSES, *BODIES, *WIRE)


@dataclass(frozen=True)
class Cached:
    """An answer as a shared cache keeps it: with Canvas's date, and since when by the true time."""

    body: bytes
    date: float
    since: float


@dataclass
class SimCanvas:
    """The one Canvas. ``draw`` chooses the fault of each call, by organization; "" is none."""

    scheduler: Scheduler
    watch: Watch
    keys: dict[str, str]
    names: dict[str, str]
    behaviour: Behaviour
    draw: Callable[[str], str] = lambda _: ""
    network: Process = field(default_factory=lambda: Process("internet"))

    def __post_init__(self) -> None:
        self.canvas = Canvas(
            self.keys,
            names=self.names,
            behaviour=self.behaviour,
            now=lambda: EPOCH + self.scheduler.now,
            random_bytes=self.scheduler.random.randbytes,
        )
        self._answers = 0
        self._cache: dict[str, Cached] = {}

    def work(self, kind: Kind, credentials: Credentials, token: str | None) -> tuple[int, bytes]:
        """Do what is asked; return status and body."""
        keys = (credentials.consumer.reveal(), credentials.secret_key.reveal())
        try:
            if kind is Kind.AUTHENTICATE:
                given = self.canvas.authenticate(*keys)
            else:
                given = self.canvas.refresh(*keys, token or "")
        except WrongKeysError:
            return 401, b""
        except UnknownRefreshTokenError:
            return 404, b""
        self._register(keys[0], given)
        body = json.dumps(given.document()).encode()
        if kind is Kind.AUTHENTICATE:
            self._cache[keys[0]] = Cached(body, self.canvas.date(), self.scheduler.now)
        return 200, body

    def cached(self, kind: Kind, credentials: Credentials) -> "Cached | None":
        """Return the last answer to an ``Authenticate`` with these keys; None to a refresh."""
        if kind is Kind.REFRESH:
            return None
        return self._cache.get(credentials.consumer.reveal())

    def _register(self, consumer: str, given: Given) -> None:
        self._answers += 1
        behaviour = self.canvas.behaviour
        expires = whole_seconds(given.access_expires) - behaviour.clock_shift - EPOCH
        name = self.names[consumer]
        issued = Issued(self._answers, name, consumer, expires, given.refresh_token)
        self.watch.gave(given.access_token, issued)


class SimUpstream:
    """One process's way to Canvas; implements :class:`broker.ports.Upstream`."""

    def __init__(self, canvas: SimCanvas, process: Process, clock: Clock, limits: Limits) -> None:
        self._canvas = canvas
        self._process = process
        self._clock = clock
        self._limits = limits

    def authenticate(self, credentials: Credentials) -> TokenPair:
        """Make one call."""
        return self._call(Kind.AUTHENTICATE, credentials, None)

    def refresh(self, credentials: Credentials, refresh_token: Secret) -> TokenPair:
        """Make one call."""
        return self._call(Kind.REFRESH, credentials, refresh_token.reveal())

    def _call(self, kind: Kind, credentials: Credentials, token: str | None) -> TokenPair:
        canvas = self._canvas
        organization = canvas.names[credentials.consumer.reveal()]
        fault = canvas.draw(organization)
        if fault:
            canvas.watch.inject(f"{fault} ({organization} {kind})")
        if fault in {"refused", "connect_timeout"}:
            canvas.scheduler.sleep(0.01 if fault == "refused" else 2.0)
            raise NotSentError(FailureKind.CONNECT)
        account = f"{organization} {credentials.version[:4]}"
        canvas.watch.call_began(self._process, account, kind, token)
        try:
            outcome = self._exchange(kind, credentials, token, fault)
        finally:
            canvas.watch.call_ended(self._process, account)
        if isinstance(outcome, UpstreamError):
            if outcome.failure == "definite" and token is not None:
                canvas.watch.not_presented(token)
            raise outcome
        return outcome

    def _exchange(
        self, kind: Kind, credentials: Credentials, token: str | None, fault: str
    ) -> TokenPair | UpstreamError:
        canvas, scheduler = self._canvas, self._canvas.scheduler
        sent = self._clock.monotonic()
        if fault == "slow":
            # Given up after the deadline; Canvas does the work all the same, some time later.
            delay = scheduler.random.uniform(0.0, 12.0)
            self._work_later(delay, kind, credentials, token)
        if fault in {"lost_request", "slow"}:
            scheduler.sleep(self._limits.upstream_timeout)
            return AmbiguousError(FailureKind.TIMEOUT)
        scheduler.sleep(0.02 + 0.3 * scheduler.random.random())
        cached = canvas.cached(kind, credentials) if fault == "cached" else None
        if cached is not None:
            status, retry_after, body = 200, None, cached.body
        else:
            status, retry_after, body = self._answer(kind, credentials, token, fault)
        date = formatdate(cached.date if cached else canvas.canvas.date(), usegmt=True)
        age = int(scheduler.now - cached.since) if cached else 0
        if fault == "lost_answer":
            scheduler.sleep(self._limits.upstream_timeout - 0.4)
            return AmbiguousError(FailureKind.TIMEOUT)
        scheduler.sleep(0.02 + 0.3 * scheduler.random.random())
        if fault == "oversize":
            return AmbiguousError(FailureKind.OVERSIZE)
        answer = Answer(
            status=status,
            date=date,
            age=age,
            retry_after=retry_after,
            body=body,
            sent=sent,
            arrived=self._clock.wall(),
        )
        return refusal(answer, kind, self._limits.retry_after_max) or read_pair(answer)

    def _answer(
        self, kind: Kind, credentials: Credentials, token: str | None, fault: str
    ) -> tuple[int, str | None, bytes]:
        if fault == KEYS_REFUSED:
            return 401, None, b""
        if fault in STATUSES:
            status, retry_after = STATUSES[fault]
            ambiguous = retry_after is None and status != 429  # the status itself
            if ambiguous and self._canvas.scheduler.random.random() < 0.5:
                self._canvas.work(kind, credentials, token)
            return status, retry_after, b""
        status, body = self._canvas.work(kind, credentials, token)
        return status, None, _spoil(body, fault) if status == 200 else body  # OK

    def _work_later(
        self, delay: float, kind: Kind, credentials: Credentials, token: str | None
    ) -> None:
        canvas = self._canvas

        def deliver() -> None:
            canvas.scheduler.sleep(delay)
            canvas.work(kind, credentials, token)

        canvas.scheduler.spawn(canvas.network, "late", deliver)


def _spoil(body: bytes, fault: str) -> bytes:
    content = json.loads(body)
    match fault:
        case "html":
            return b"<html>An error has occurred</html>"
        case "truncated":
            return body[: len(body) // 2]
        case "wrong_types":
            return json.dumps(dict.fromkeys(content, 7)).encode()
        case "no_expiry":
            del content["accessTokenExpiresDateTime"]
        case "bad_access":
            content["access_token"] = "Bearer "
        case "no_refresh_token":
            del content["refresh_token"]
        case "no_refresh_expiry":
            content["refreshTokenExpiresDateTime"] = None
        case "bare":
            content = {"access_token": content["access_token"].removeprefix("Bearer ")}
        case "past":
            content["accessTokenExpiresDateTime"] = "2020-01-01T00:00:00.0000000+00:00"
    return json.dumps(content).encode()
