"""One outcome for one request: its answer, its audit line and its metric, on each way.

Each way has a service of its own and gets the same bytes: the framework alone, and the loop, which
answers at once what it can, when it has not met a request before and when it has. What the server's
parser refuses is among them.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from broker.errors import KeysRejectedError, NotSentError
from broker.web import request_id
from broker.web.errors import HTTP_TABLE, ROWS, Row
from broker.web.token_endpoint import JWT_BEARER
from broker.web.token_request import LONGEST_BODY
from tests.web.accounts import Accounts
from tests.web.line import CONTINUE, Line
from tests.web.requests import GOOD, GRANT, HOST, TYPED, basic, form, sent
from tests.web.rig import AUDIT_KEY, FORM, KEY, Rig

CLIENT = basic("billing", KEY)
SERVED = "served"
Prepare = Callable[[Rig], None]


def chunked(line: str, body: str, *headers: str) -> bytes:
    """Return a request whose body comes in chunks."""
    chunks = f"{len(body):x}\r\n{body}\r\n0\r\n\r\n"
    return sent(line, (*headers, "Transfer-Encoding: chunked"), chunks)


LONG = f"{GRANT}&x=" + "y" * LONGEST_BODY + "&scope=globex"
CASES: tuple[tuple[bytes, int, str | None], ...] = (
    (sent("GET /token"), 200, SERVED),
    (sent("GET /token?organization=acme"), 200, SERVED),
    (sent("GET /token?organization=%61cme&min_ttl=1"), 200, SERVED),
    (sent("HEAD /token", (*GOOD, "Connection: close")), 200, SERVED),
    (sent("GET /%74oken"), 200, SERVED),
    (sent("GET http://b/token"), 200, SERVED),
    (sent("GET /token", (*GOOD, "Content-Length: 5"), "hello"), 200, SERVED),
    (sent("GET /token", (*GOOD, f"Content-Length: {len(LONG)}"), LONG), 200, SERVED),
    (chunked("GET /token", LONG, *GOOD), 200, SERVED),
    (f"GET /token HTTP/1.0\r\n{GOOD[1]}\r\n\r\n".encode(), 200, SERVED),
    (form(GRANT), 200, SERVED),
    (form(f"{GRANT}&audience=x+%C3%A4&\xc3\xa4=1"), 200, SERVED),
    (form(GRANT, *TYPED[:1], f"Content-Type: {FORM.upper()}; charset=x", CLIENT), 200, SERVED),
    (form(GRANT, *TYPED, CLIENT, "Expect: 100-continue"), 200, SERVED),
    (form(GRANT, line="POST /token?grant_type=x&grant_type=y"), 200, SERVED),
    (form(GRANT, line="POST /%74oken"), 200, SERVED),
    (chunked("POST /token", GRANT, *TYPED, CLIENT), 200, SERVED),
    (form(GRANT, TYPED[1], CLIENT).replace(b"HTTP/1.1", b"HTTP/1.0"), 200, SERVED),
    # Parameters.
    (sent("GET /token?x=1"), 400, "invalid_request"),
    (sent("GET /token?organization=acme&organization=acme"), 400, "invalid_request"),
    (sent("GET /token?organization=%ff"), 400, "invalid_request"),
    (sent("GET /token?%ff=acme"), 400, "invalid_request"),
    (sent("GET /token?x=1", HOST), 401, "invalid_token"),
    (form(f"{GRANT}&x=\xff"), 400, "invalid_request"),
    (form(f"{GRANT}&x=%fF"), 400, "invalid_request"),
    (form(f"{GRANT}&\xe4=1"), 400, "invalid_request"),
    (form(f"{GRANT}&x=1&x=2"), 400, "invalid_request"),
    (form("scope=acme"), 400, "invalid_request"),
    (form(""), 400, "invalid_request"),
    (form(GRANT, *HOST, CLIENT), 400, "invalid_request"),
    (form(GRANT, *HOST, CLIENT, "Content-Type: application/json"), 400, "invalid_request"),
    (form(GRANT, *TYPED, f"Content-Type: {FORM}", CLIENT), 400, "invalid_request"),
    (form(f"{GRANT}&client_secret=x"), 400, "invalid_request"),
    (form("grant_type=password"), 400, "unsupported_grant_type"),
    (form(f"grant_type={JWT_BEARER}&assertion=x"), 400, "invalid_grant"),
    (form(f"{GRANT}&scope=globex"), 400, "invalid_scope"),
    (form(f"{GRANT}&scope=a+b"), 400, "invalid_scope"),
    (form(f"{GRANT}&client_id=audit&client_secret={AUDIT_KEY}", *TYPED), 400, "invalid_scope"),
    # Credentials.
    (sent("GET /token", HOST), 401, "invalid_token"),
    (sent("GET /token", (*HOST, CLIENT)), 401, "invalid_token"),
    (sent("GET /token", (*HOST, "Authorization: Bearer x")), 401, "invalid_token"),
    (form(GRANT, *TYPED), 401, "invalid_client"),
    (form(GRANT, *TYPED, GOOD[1]), 401, "invalid_client"),
    (sent("GET /token?organization=globex"), 403, "insufficient_scope"),
    # Host.
    (sent("GET /token", GOOD[1:]), 400, "invalid_request"),
    (sent("HEAD /token", (GOOD[1], "Connection: close")), 400, "invalid_request"),
    (form(GRANT, TYPED[1], CLIENT), 400, "invalid_request"),
    *(
        (sent("GET /token", (f"Host: {bad}", GOOD[1])), 400, "invalid_request")
        for bad in ("", "a b", "a/b", "b@a", "[::1", "a:b", "a, b", "\xe4", "%zz", "a:1:2")
    ),
    *(
        (sent("GET /token", (f"Host: {good}", GOOD[1])), 200, SERVED)
        for good in ("b:", "b:8080", "my_broker", "[::1]:8080", "192.0.2.1", "%61", "a,b")
    ),
    (sent("GET /token", (*GOOD, "Host: b")), 400, "invalid_request"),
    (form(GRANT, *TYPED, CLIENT, "Host: c"), 400, "invalid_request"),
    (b"GET /token HTTP/1.0\r\nHost: a b\r\n\r\n", 400, "invalid_request"),
    (sent("GET /health/live", ()), 400, None),
    (sent("GET /health/live", ("Host: a b",)), 400, None),
    (sent("GET /nowhere", ()), 400, None),
    (sent("PUT /token", ()), 400, None),
    (sent("OPTIONS /token", ()), 400, None),
    # Length.
    (form(LONG), 413, "invalid_request"),
    (form(LONG, *TYPED), 413, "invalid_request"),
    (chunked("POST /token", LONG, *TYPED, CLIENT), 413, "invalid_request"),
    (sent(f"GET /token?{'x' * 9000}"), 414, None),
    (sent("GET /token", (*GOOD, "X: " + "y" * 9000)), 431, "invalid_request"),
    (sent("GET /token", (*GOOD, *(f"X-{n}: y" for n in range(150)))), 431, "invalid_request"),
    (sent("GET /health", (*GOOD, "X: " + "y" * 9000)), 431, None),
    # What the parser refuses.
    (form(GRANT, *TYPED, CLIENT, "Transfer-Encoding: chunked"), 400, "invalid_request"),
    (form(GRANT, *TYPED, CLIENT, "Content-Length: 29"), 400, "invalid_request"),
    (sent("GET /token", (*GOOD, "Content-Length: x")), 400, "invalid_request"),
    (sent("GET /token", (*GOOD, "A B: c")), 400, "invalid_request"),
    (sent("GET /token", (*GOOD, " folded")), 400, "invalid_request"),
    (sent("GET /token", (*GOOD, "Expect: x")), 400, "invalid_request"),
    (
        sent("GET /token", (*GOOD, "X-Request-ID: mine", "Content-Length: x")),
        400,
        "invalid_request",
    ),
    (sent("POST /token", (*TYPED, "Transfer-Encoding: chunked"), "zz\r\n"), 400, "invalid_request"),
    (sent("GET /token", (*GOOD, "Transfer-Encoding: chunked"), "zz\r\n"), 400, "invalid_request"),
    (sent("POST /token", (*TYPED, "Transfer-Encoding: br")), 501, "invalid_request"),
    (b"GET /token HTTP/9.9\r\nHost: b\r\n\r\n", 400, "invalid_request"),
    (b"HEAD /token HTTP/1.1\r\nA\r\n\r\n", 400, "invalid_request"),
    (b"GET /token\xff HTTP/1.1\r\nHost: b\r\n\r\n", 400, None),
    (b"GET /token\r\n\r\n", 400, None),
    (b"PUT /token HTTP/1.1\r\nA\r\n\r\n", 400, None),
    # Paths and methods.
    *(
        (sent(f"{method} {path}"), 404, None)
        for method in ("GET", "POST")
        for path in ("//token", "///token", "/token/", "/token%2F", "/%2Ftoken", "/Token", "/a")
    ),
    (sent("GET http://b//token"), 404, None),
    *((sent(f"{method} /token"), 405, None) for method in ("PUT", "DELETE", "BREW")),
    (sent("OPTIONS /token"), 200, None),
)


def _canvas_is_down(rig: Rig) -> None:
    rig.canvas.errors = [NotSentError("connect")] * 9


def _keys_are_refused(rig: Rig) -> None:
    rig.canvas.errors = [KeysRejectedError("keys")]


def _redis_is_gone(rig: Rig) -> None:
    rig.redis_answers = False


def _has_a_defect(rig: Rig) -> None:
    rig.broker.token = rig.broker.at_hand = lambda *_, **__: 1 / 0  # type: ignore[assignment,method-assign]


UNAVAILABLE: tuple[tuple[Prepare, str], ...] = (
    (_canvas_is_down, "temporarily_unavailable"),
    (_keys_are_refused, "credentials_rejected"),
    (_redis_is_gone, "store_unavailable"),
    (_has_a_defect, "temporarily_unavailable"),
)


@dataclass
class Outcome:
    """What one way told of one request."""

    answer: bytes
    audit: list[Any]
    metric: list[str]

    @property
    def status(self) -> int:
        """Return the status of the answer."""
        found = re.match(rb"HTTP/1.[01] (\d{3}) ", self.answer.removeprefix(CONTINUE))
        assert found, self.answer
        return int(found[1])

    @property
    def head(self) -> str:
        """Return the status line and the headers of the answer."""
        return self.answer.removeprefix(CONTINUE).partition(b"\r\n\r\n")[0].decode()

    @property
    def body(self) -> dict[str, str]:
        """Return what is in the body; nothing where there is none."""
        text = self.answer.removeprefix(CONTINUE).partition(b"\r\n\r\n")[2]
        return json.loads(text) if text else {}

    def tells(self, row: Row) -> bool:
        """Tell whether the answer is the one that a row of the table gives."""
        described = row.description in {None, self.body.get("error_description")}
        challenge = row.challenge is None or f"WWW-Authenticate: {row.challenge}\r\n" in self.head
        return (
            self.status == row.status
            and self.body.get("error") == row.code
            and (described and challenge)
        )


class Ways:
    """Every way to be answered, each with the same service; those of a prepared one are cold."""

    def __init__(self, prepare: Prepare | None = None) -> None:
        self._rigs, self._lines = [], []
        for at_once in (False, True, True):
            rig = Rig("acme", "globex", service_accounts=Accounts())
            if prepare is None:
                rig.broker.token("acme")
                rig.broker.token("globex")
            else:
                prepare(rig)
            self._rigs.append(rig)
            self._lines.append(Line(rig, at_once=at_once))
        self._prepared = prepare is not None

    def ask(self, request: bytes) -> list[Outcome]:
        """Return what each way tells of a request; the last one has met it before."""
        if not self._prepared:
            self._lines[-1].once(request)
            self._forget(self._rigs[-1])
        return [
            self._outcome(rig, line.once(request))
            for rig, line in zip(self._rigs, self._lines, strict=True)
        ]

    def _outcome(self, rig: Rig, answer: bytes) -> Outcome:
        outcome = Outcome(answer, list(rig.audit), [one[0] for one in rig.tally.asked])
        self._forget(rig)
        return outcome

    @staticmethod
    def _forget(rig: Rig) -> None:
        rig.audit.clear()
        rig.tally.asked.clear()


@pytest.fixture(autouse=True)
def _known_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_id, "new_id", lambda: "new")


@pytest.fixture
def ways() -> Ways:
    """Return services that have their tokens."""
    return Ways()


def one_outcome(ways: Ways, request: bytes, status: int, audited: str | None) -> Outcome:
    """Return what all ways tell alike of a request, once it was found to be right."""
    first, *others = ways.ask(request)
    assert others == [first] * len(others), request
    assert first.status == status, (request, first)
    told = [] if audited is None else [audited]
    assert [entry.outcome for entry in first.audit] == told, request
    assert first.metric == told, request
    if audited is not None and not request.startswith(b"HEAD"):
        assert first.body.get("error", SERVED) == audited, request
    for entry in first.audit:
        assert f"X-Request-ID: {entry.request_id}" in first.head
        assert entry.remote == "203.0.113.9"
    assert "\r\nCache-Control: no-store" in first.head, request
    assert "\r\nX-Content-Type-Options: nosniff" in first.head, request
    assert ("\r\nAllow: GET, HEAD, OPTIONS, POST" in first.head) == (
        status == 405 or (request.startswith(b"OPTIONS") and status == 200)
    )
    return first


def test_each_way_tells_the_same_everywhere(ways: Ways) -> None:
    """Byte for byte; and the error of the body is the outcome of the audit and of the metric.

    Every row of the table is met, but those of an outage, which the next test meets.
    """
    told = [one_outcome(ways, *case) for case in CASES]
    missed = {row for row in ROWS if row.status != 503 and not any(one.tells(row) for one in told)}
    assert missed == set()


@pytest.mark.parametrize(("prepare", "code"), UNAVAILABLE)
def test_an_outage_is_told_the_same_everywhere(prepare: Prepare, code: str) -> None:
    """The only rows whose outcome pages somebody; a refused caller meets none of them."""
    ways = Ways(prepare)
    for request in (sent("GET /token"), form(GRANT)):
        outcome = one_outcome(ways, request, 503, code)
        assert any(outcome.tells(row) for row in ROWS if row.status == 503)
        assert "\r\nRetry-After: " in outcome.head


def test_no_fault_of_a_caller_has_the_outcome_of_an_outage() -> None:
    """Else anybody could page the operators; also by what HTTP refuses."""
    outages = {row.code for row in ROWS if row.status == 503}
    assert not outages & {row.code for row in ROWS if row.status != 503}
    assert set(HTTP_TABLE.values()) <= ROWS


def test_what_is_not_utf8_is_named_and_not_repeated(ways: Ways) -> None:
    """One byte in any field, known or not, raw or encoded."""
    for name in ("grant_type", "scope", "client_secret", "nobody-knows-it"):
        for bad in ("secret%ff", "\xffsecret"):
            outcome = one_outcome(ways, form(f"{name}={bad}&{GRANT}"), 400, "invalid_request")
            assert outcome.body["error_description"] == f"{name} is not UTF-8"
    outcome = one_outcome(ways, form(f"{GRANT}&secret\xff=1"), 400, "invalid_request")
    assert outcome.body["error_description"] == "the name of a parameter is not UTF-8"


def test_nothing_behind_the_cut_of_a_long_form_is_lost(ways: Ways) -> None:
    """What would be left of it could name another organization than the whole does."""
    body = f"{GRANT}&client_id=audit&client_secret={AUDIT_KEY}&scope=acme&x="
    body += "y" * LONGEST_BODY + "&scope=globex"
    outcome = one_outcome(ways, chunked("POST /token", body, *TYPED), 413, "invalid_request")
    assert outcome.body["error_description"] == "The body is too long."


@pytest.mark.parametrize(
    ("headers", "challenge"),
    [
        ((), 'Bearer realm="canvas-token-broker"'),
        ((CLIENT,), 'Bearer realm="canvas-token-broker"'),
        (("Authorization: Bearer",), 'Bearer realm="canvas-token-broker"'),
        (
            ("Authorization: Bearer x",),
            'Bearer realm="canvas-token-broker", error="invalid_token"',
        ),
    ],
)
def test_who_sent_no_credential_is_told_of_no_error(
    ways: Ways, headers: tuple[str, ...], challenge: str
) -> None:
    """In the challenge (RFC 6750 section 3.1); the body is that of every 401."""
    outcome = one_outcome(ways, sent("GET /token", (*HOST, *headers)), 401, "invalid_token")
    assert f"\r\nWWW-Authenticate: {challenge}\r\n" in outcome.head
    assert outcome.body["error_description"] == "No caller has this key, or none was sent."
