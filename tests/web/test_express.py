"""One truth, two speeds: the express lane and the views answer the same, byte for byte."""

import logging
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder, run_wsgi_app

from broker.callers import EVERYTHING, Caller, Callers, key_digest
from broker.errors import AmbiguousError, KeysRejectedError, NotSentError
from broker.failure_kinds import FailureKind
from broker.web import request_id
from broker.web.context import REQUEST_ID, TRACE_ID, InContext
from broker.web.express import ExpressLane
from broker.web.summary import RequestLog
from broker.web.token_request import plain_wish
from tests.web.rig import AUDIT_KEY, CALLERS, KEY, OTHER_KEY, STRANGER_KEY, Rig

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
BILLING = {"Authorization": f"Bearer {KEY}"}
REQUESTS: tuple[tuple[str, dict[str, str]], ...] = (
    ("/token", BILLING),
    ("/token?organization=acme", BILLING),
    ("/token", {"Authorization": f"bearer  {OTHER_KEY} "}),
    ("/token?organization=globex", {"Authorization": f"Bearer {AUDIT_KEY}"}),
    ("/token", {"Authorization": f"Bearer {AUDIT_KEY}"}),
    ("/token?organization=globex", BILLING),
    ("/token?organization=nobody", {"Authorization": f"Bearer {AUDIT_KEY}"}),
    ("/token", {"Authorization": f"Bearer {STRANGER_KEY}"}),
    ("/token?organization=acme", {"Authorization": "Bearer wrong"}),
    ("/token?organization=acme", {"Authorization": "Basic YTpi"}),
    ("/token", {"Authorization": "Bearer " + "x" * 5000}),
    ("/token", {"Authorization": ""}),
    ("/token", {}),
    ("/token", {**BILLING, "X-Request-ID": "mine-1"}),
    ("/token", {**BILLING, "X-Request-ID": "not sane"}),
    ("/token", {**BILLING, "X-Request-ID": ""}),
    ("/token", {**BILLING, "traceparent": TRACEPARENT}),
    ("/token", {**BILLING, "traceparent": "nonsense"}),
    ("/token?", BILLING),
    ("/token?organization=", BILLING),
    ("/token?organization=ACME", BILLING),
    ("/token?organization=%61cme", BILLING),
    ("/token?organization=acme&organization=acme", BILLING),
    ("/token?organization=acme&min_ttl=10", BILLING),
    ("/token?min_ttl=99999999", BILLING),
    ("/token?rejected=1", BILLING),
    ("/token?key=value", BILLING),
    ("/token/", BILLING),
    ("//token", BILLING),
    ("/Token", BILLING),
)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
GRANT = "grant_type=client_credentials"
BEARER_GRANT = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"
BY_NAME = f"client_id=billing&client_secret={KEY}"


def basic(name: str, key: str) -> dict[str, str]:
    """Return the header of HTTP Basic."""
    return {"Authorization": "Basic " + b64encode(f"{name}:{key}".encode()).decode()}


FORMS: tuple[tuple[str, dict[str, str], str], ...] = (
    ("/token", FORM | basic("billing", KEY), GRANT),
    ("/token", FORM | basic("billing", KEY), f"{GRANT}&scope=acme"),
    ("/token", FORM | basic("audit", AUDIT_KEY), f"{GRANT}&scope=globex"),
    ("/token", FORM | basic("audit", AUDIT_KEY), GRANT),
    ("/token", FORM, f"{GRANT}&{BY_NAME}"),
    ("/token", FORM, f"{GRANT}&scope=&{BY_NAME}"),
    ("/token", FORM, f"{BY_NAME}&{GRANT}&audience=x+y%20z"),
    ("/token", FORM | basic("billing", KEY), f"{GRANT}&client_id=billing"),
    ("/token", FORM | basic("billing", KEY), f"{GRANT}&client_id=other"),
    ("/token", FORM | basic("billing", KEY), f"{GRANT}&{BY_NAME}"),
    ("/token", FORM | basic("billing", "wrong"), GRANT),
    ("/token", FORM | basic("nobody", KEY), GRANT),
    ("/token", FORM | basic("billing", KEY), f"{GRANT}&scope=globex"),
    ("/token", FORM | basic("billing", KEY), f"{GRANT}&scope=acme+globex"),
    ("/token", FORM | basic("billing", KEY), f"{GRANT}&{GRANT}"),
    ("/token", FORM | basic("billing", KEY), "grant_type=password"),
    ("/token", FORM | basic("billing", KEY), "scope=acme"),
    ("/token", FORM | basic("billing", KEY), "%ff=%fe&x=ä"),
    ("/token", FORM | basic("billing", KEY), f"{GRANT}&x=%C3%A4"),
    ("/token", FORM | basic("billing", KEY), f"{GRANT}&%C3%A4=x&%00=%00"),
    ("/token", FORM | basic("billing", KEY), "&&=&a"),
    ("/token", FORM | basic("billing", KEY), ""),
    ("/token", FORM | BILLING, GRANT),
    ("/token", FORM, f"{BEARER_GRANT}&assertion=a.b.c"),
    ("/token", FORM | {"Authorization": "Basic ???"}, GRANT),
    ("/token?x=1", FORM | basic("billing", KEY), GRANT),
    ("/token", {"Content-Type": "application/json"} | basic("billing", KEY), GRANT),
    ("/token", {"Content-Type": FORM["Content-Type"] + "; charset=UTF-8"}, f"{GRANT}&{BY_NAME}"),
    ("/token", basic("billing", KEY), GRANT),
    ("/token", FORM | basic("billing", KEY), f"{GRANT}&x=" + "y" * 70000),
)
FAILURES = {
    "keys refused": KeysRejectedError(FailureKind.KEYS_REJECTED),
    "never sent": NotSentError(FailureKind.CONNECT),
    "no answer": AmbiguousError(FailureKind.TIMEOUT),
}


@dataclass
class Side:
    """One of the two ways: a service of its own, and the application in front of it."""

    rig: Rig
    application: Any

    def ask(
        self, path: str, headers: dict[str, str], method: str = "GET", sent: str = ""
    ) -> tuple[Any, ...]:
        """Return status, headers in their order, and body."""
        builder = EnvironBuilder(
            path=path,
            headers=list(headers.items()),
            method=method,
            input_stream=BytesIO(sent.encode()),
        )
        environ = builder.get_environ()
        environ["CONTENT_LENGTH"] = str(len(sent.encode())) if sent else ""
        environ["REMOTE_ADDR"] = "192.0.2.7"
        body, status, head = run_wsgi_app(self.application, environ)
        return status, list(head), b"".join(body)

    def traces(self) -> tuple[Any, ...]:
        """Return what the requests left behind."""
        return self.rig.audit, self.rig.tally.asked, self.rig.tally.reasons


@pytest.fixture(autouse=True)
def _known_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_id, "new_id", lambda: "new")


def sides(*, told: float = 1.0, **options: Any) -> tuple[Side, Side]:
    """Return the views alone, and the lane before the same views of another service.

    A line of the log tells of each request, or of none with ``told`` 0.
    """
    slow, fast = Rig("acme", "globex", **options), Rig("acme", "globex", **options)
    log = RequestLog(slow.clock, told, lambda: 0.5)
    log.install(slow.app)
    log = RequestLog(fast.clock, told, lambda: 0.5)
    log.install(fast.app)
    return Side(slow, slow.app.wsgi_app), Side(fast, ExpressLane(fast.desk, log, fast.app.wsgi_app))


def lines(caplog: pytest.LogCaptureFixture) -> Iterator[dict[str, Any]]:
    """Return the log lines written since the last call."""
    usual = set(vars(logging.makeLogRecord({})))
    for record in caplog.records:
        yield {"message": record.message, "level": record.levelname} | {
            name: value for name, value in vars(record).items() if name not in usual
        }
    caplog.clear()


@pytest.mark.parametrize(("path", "headers"), REQUESTS)
def test_every_answer_is_the_same(
    path: str, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """And so is what it leaves in the audit, the metrics and the log."""
    caplog.set_level(logging.INFO, "broker")
    caplog.handler.addFilter(InContext())
    slow, fast = sides()
    for _ in range(2):
        expected = slow.ask(path, headers), list(lines(caplog))
        assert (fast.ask(path, headers), list(lines(caplog))) == expected
        assert expected[1]
    assert fast.traces() == slow.traces()


@pytest.mark.parametrize(("path", "headers", "form"), FORMS)
def test_every_grant_is_the_same(
    path: str, headers: dict[str, str], form: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As with GET."""
    caplog.set_level(logging.INFO, "broker")
    slow, fast = sides()
    expected = slow.ask(path, headers, "POST", form), list(lines(caplog))
    assert (fast.ask(path, headers, "POST", form), list(lines(caplog))) == expected
    assert fast.traces() == slow.traces()


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "OPTIONS", "DELETE", "FOO"])
def test_other_methods_are_the_views(method: str) -> None:
    """With their ``Allow``, their forms and their empty bodies."""
    slow, fast = sides()
    assert fast.ask("/token", BILLING, method) == slow.ask("/token", BILLING, method)
    assert fast.traces() == slow.traces()


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("redis_answers", [True, False])
def test_errors_are_the_same(failure: str, redis_answers: bool) -> None:
    """Whatever keeps a token from coming."""
    slow, fast = sides()
    for side in (slow, fast):
        side.rig.canvas.errors = [FAILURES[failure]] * 8
        side.rig.redis_answers = redis_answers
    for _ in range(3):
        assert fast.ask("/token", BILLING) == slow.ask("/token", BILLING)
    assert fast.traces() == slow.traces()
    assert fast.rig.audit[0].outcome != "served"


@pytest.mark.parametrize("elapsed", [0, 300, 500, 560, 590, 598, 700])
def test_tokens_of_any_age_are_the_same(elapsed: float) -> None:
    """While Canvas fails and the token grows old."""
    slow, fast = sides()
    for side in (slow, fast):
        side.ask("/token", BILLING)
        side.rig.canvas.errors = [FAILURES["no answer"]] * 100
        side.rig.clock.sleep(elapsed)
    assert fast.ask("/token", BILLING) == slow.ask("/token", BILLING)
    assert fast.traces() == slow.traces()


def test_a_defect_is_told_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As a 503, and in the log by its class alone."""
    slow, fast = sides()
    for side in (slow, fast):
        monkeypatch.setattr(side.rig.broker, "token", _fail)
    assert fast.ask("/token", BILLING) == slow.ask("/token", BILLING)
    crashes = [one for one in lines(caplog) if one["message"] == "request.crashed"]
    assert len(crashes) == 2
    assert "secret" not in str(crashes)
    assert fast.traces() == slow.traces()


def _fail(*arguments: object, **named: object) -> None:
    raise ZeroDivisionError("a secret")


def test_nothing_of_a_request_stays_on_its_thread() -> None:
    """The next one may be malformed, and must not be logged under this one's id."""
    _, fast = sides()
    for path, headers in REQUESTS:
        fast.ask(path, {**headers, "traceparent": TRACEPARENT})
        assert (REQUEST_ID.get(), TRACE_ID.get()) == (None, None)


def test_the_lane_takes_every_request_for_a_token() -> None:
    """The views are not even asked; ``HEAD`` is theirs."""
    rig = Rig("acme")
    log = RequestLog(rig.clock, 0)

    def views(environ: Any, start_response: Any) -> list[bytes]:
        raise AssertionError("the views were asked")

    lane = Side(rig, ExpressLane(rig.desk, log, views))
    for path in ("/token", "/token?organization=acme", "/token?min_ttl=1"):
        assert lane.ask(path, BILLING)[0] == "200 OK"
    for form in (f"{GRANT}&{BY_NAME}", f"{GRANT}&scope=acme&{BY_NAME}&x=%20"):
        assert lane.ask("/token", FORM, "POST", form)[0] == "200 OK"
    for path, method in (("/health", "GET"), ("/token/", "GET"), ("/token", "HEAD")):
        with pytest.raises(AssertionError):
            lane.ask(path, BILLING, method)


def test_of_a_query_only_a_plain_one_is_read() -> None:
    """All that has to be decoded, or is wrong, is left to the schema."""
    plain = plain_wish("organization=a.b_c-9")
    assert plain is not None
    assert plain.organization == "a.b_c-9"
    for query in ("organization=a%20b", "organization=a&x=1", "organization=a;", "Organization=a"):
        assert plain_wish(query) is None


def test_many_callers_are_told_apart() -> None:
    """Each by its own key, on both ways."""
    slow, fast = sides()
    many = tuple(
        Caller(f"c{n}", EVERYTHING, frozenset({key_digest(f"ctb_the-key-of-number-{n}")}))
        for n in range(50)
    )
    for side in (slow, fast):
        side.rig.callers = Callers(CALLERS.callers + many)
        for n in range(50):
            side.ask(
                "/token?organization=acme", {"Authorization": f"Bearer ctb_the-key-of-number-{n}"}
            )
    assert [entry.caller for entry in fast.rig.audit] == [f"c{n}" for n in range(50)]
    assert fast.traces() == slow.traces()
