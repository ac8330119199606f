"""The edge as the application factory makes it, around a real broker on fakes."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote_plus

from werkzeug.test import TestResponse

from broker.audit.entry import AuditEntry
from broker.callers import EVERYTHING, Caller, Callers, key_digest
from broker.errors import StoreUnavailableError
from broker.limits import Limits
from broker.metrics.meters import Meters
from broker.pod.merge import merge
from broker.pod.readiness import Readiness
from broker.pod.snapshot import FilesReport, Pod, WorkerSnapshot
from broker.pod.state import PodState
from broker.policy.broker import Broker
from broker.policy.calls import Calls
from broker.policy.history import Event
from broker.policy.lease import Tools
from broker.web.app import edge
from broker.web.authentication import Authentication, CallersAuthentication, ServiceAccounts
from broker.web.desk import Desk
from tests.fakes import FakeCanvas, FakeClock, FakeRuntime, Notes, credentials, retry_definite
from tests.memory_store.calls import UnlimitedCalls
from tests.memory_store.server import MemoryServer

KEY = "ctb_the-key-of-billing"
OTHER_KEY = "ctb_the-next-key-of-billing"
AUDIT_KEY = "ctb_the-key-of-audit"
STRANGER_KEY = "ctb_the-key-of-stranger"
CALLERS = Callers(
    (
        Caller("billing", frozenset({"acme"}), frozenset(map(key_digest, (KEY, OTHER_KEY)))),
        Caller("audit", EVERYTHING, frozenset({key_digest(AUDIT_KEY)})),
        Caller("stranger", frozenset({"initech"}), frozenset({key_digest(STRANGER_KEY)})),
        Caller("pod", frozenset({"acme"}), service_account="shop:pod"),
    )
)
WEAK = (
    "",
    " ",
    "\n",
    "\r\n",
    "x" * 19,
    " " * 20,
    "x" * 4097,
    *(f"{odd:x>20}" for odd in " \n\x7f\xa0é"),
)
"""Keys that open nothing, whatever the callers file says."""
FORM = "application/x-www-form-urlencoded"
PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,;:/'-_()?")


class Heard(list[AuditEntry]):
    """An audit that remembers."""

    def write(self, *entries: AuditEntry) -> None:
        """Remember them."""
        self += entries


class Counted:
    """A tally that remembers."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None, float]] = []
        self.reasons: list[str] = []

    def requests(self, outcome: str, state: str | None, seconds: float) -> None:
        """Remember it."""
        self.asked.append((outcome, state, seconds))

    def served(self, states: Sequence[str | None], seconds: Sequence[float]) -> None:
        """Remember each."""
        self.asked += [("served", *one) for one in zip(states, seconds, strict=True)]

    def degraded(self, reason: str) -> None:
        """Remember it."""
        self.reasons.append(reason)


class Rig:
    """A broker whose Canvas, Redis, clock and callers the test holds, and a client of it."""

    def __init__(
        self,
        *organizations: str,
        authentication: Authentication | None = None,
        service_accounts: ServiceAccounts | None = None,
        public_url: str | None = None,
    ) -> None:
        self.clock = FakeClock()
        self.canvas = FakeCanvas(self.clock)
        self.runtime = FakeRuntime(self.clock)
        self.callers = CALLERS
        self.file_problems: list[str] = []
        self.redis_answers = True
        limits, notes = Limits(), Notes()
        calls = Calls(UnlimitedCalls(), self.clock, "rig")
        tools = Tools(limits, self.clock, self.runtime, self.canvas, retry_definite, notes, calls)
        server = MemoryServer(self._redis_time, limits)
        self.broker = Broker(tools, server, keep_warm=3600, waiters=8)
        self.broker.configure({name: credentials() for name in organizations})
        self.audit = Heard()
        self.tally = Counted()
        known = CallersAuthentication(lambda: self.callers, service_accounts)
        self.desk = Desk(self.broker, authentication or known, self.audit, self.tally, self.clock)
        self.meters = Meters()
        self.readiness = Readiness(PodState(1), self.broker.ability)
        self.app = edge(self.desk, self, self.meters, public_url)
        self.client = self.app.test_client()

    def get(self, path: str = "/token", key: str | None = KEY, **headers: str) -> TestResponse:
        """Send a GET with a caller key; an underscore in a header's name stands for a dash."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            sent["Authorization"] = f"Bearer {key}"
        return self.client.get(path, headers=sent)

    def post(
        self,
        form: str | dict[str, str] | None = None,
        basic: tuple[str, str] | None = None,
        **headers: str,
    ) -> TestResponse:
        """Send a POST to the token endpoint; a form as text is sent as it is."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if basic is not None:
            pair = ":".join(quote_plus(part) for part in basic)
            sent["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        data = {"grant_type": "client_credentials"} if form is None else form
        return self.client.post(
            "/token", data=data, headers=sent, content_type=sent.get("Content-Type", FORM)
        )

    def _redis_time(self) -> float:
        """Every operation of the store needs the time, so none works without it."""
        if not self.redis_answers:
            raise StoreUnavailableError
        return self.clock.redis()

    def is_ready(self) -> bool:
        """Tell whether the pod is, which has one worker."""
        return self.readiness.is_ready()

    def histories(self, names: Sequence[str]) -> dict[str, tuple[Event, ...]]:
        """Return what happened last in the only worker."""
        return self.broker.histories(names)

    def gather(self) -> Pod:
        """Return the pod as it is now."""
        files = FilesReport("callers", tuple(self.file_problems), self.clock.wall())
        known = tuple(self.broker.health())
        return merge([WorkerSnapshot(17, self.clock.elapsed, known, (files,), 0, 8)], [], 1)


def having(key: str, name: str = "billing") -> Callers:
    """Return one caller that has ``key`` and may use everything."""
    return Callers((Caller(name, EVERYTHING, frozenset({key_digest(key)})),))


def error_of(response: TestResponse, status: int, code: str) -> str:
    """Check all that the contract says of an error answer; return its description."""
    body: Any = response.get_json()
    headers = response.headers
    assert (response.status_code, body["error"]) == (status, code)
    assert list(body) == ["error", "error_description"]
    assert headers["Content-Type"] == "application/json"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Request-ID"]
    assert ("WWW-Authenticate" in headers) == (status in {401, 403})
    assert ("Allow" in headers) == (status == 405)
    assert ("Retry-After" in headers) == (status == 503)
    if status == 503:
        assert headers["Retry-After"].isdigit()
        assert int(headers["Retry-After"]) >= 1
    description = body["error_description"]
    assert isinstance(description, str)
    assert description
    assert set(description) <= PLAIN
    return description
