"""What memory can tell is answered in the loop, with the same bytes; all else by a thread."""

import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest

from broker.callers import Callers
from broker.web import request_id
from broker.web.context import REQUEST_ID, TRACE_ID
from broker.web.reading import LONGEST_RAW
from tests.web.accounts import Accounts
from tests.web.in_context import InContext
from tests.web.line import HeldPool, Line
from tests.web.requests import (
    BY_NAME,
    CLIENTS,
    GOOD,
    GRANT,
    HOST,
    OTHERS,
    PLAIN,
    TRACEPARENT,
    TYPED,
    form,
    sent,
)
from tests.web.rig import CALLERS, KEY, Rig

OK = b"HTTP/1.1 200 OK\r\n"
TOKEN = sent("GET /token", (*HOST, "Authorization: Bearer token-of/shop:pod"))
ASSERTION = form(
    "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=token-of/shop:pod",
    *TYPED,
)


def service(**options: Any) -> Rig:
    """Return a service whose organizations have their tokens."""
    rig = Rig("acme", "globex", **options)
    for organization in ("acme", "globex"):
        rig.broker.token(organization)
    return rig


@pytest.fixture(autouse=True)
def _known_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_id, "new_id", lambda: "new")


@pytest.fixture
def line() -> Line:
    """Return a port whose threads do nothing, so that only the loop answers."""
    return Line(service(), pool=HeldPool())


def seen(rig: Rig) -> tuple[Any, ...]:
    """Return what requests left behind."""
    return list(rig.audit), list(rig.tally.asked), list(rig.tally.reasons)


def lines(caplog: pytest.LogCaptureFixture) -> Iterator[dict[str, Any]]:
    """Return the log lines written since the last call."""
    usual = set(vars(logging.makeLogRecord({})))
    for record in caplog.records:
        yield {"message": record.message, "level": record.levelname} | {
            name: value for name, value in vars(record).items() if name not in usual
        }
    caplog.clear()


@pytest.mark.parametrize("told", [0.0, 1.0])
def test_every_byte_is_the_same(told: float, caplog: pytest.LogCaptureFixture) -> None:
    """Cold and remembered, whole and in pieces; and audit, metrics and log lines are."""
    caplog.set_level(logging.INFO, "broker")
    caplog.handler.addFilter(InContext())
    fast, slow = Line(service(), told=told), Line(service(), told=told, at_once=False)
    for request in (*CLIENTS.values(), *OTHERS):
        half = len(request) // 2
        for pieces in ([request], [request], [request[:half], request[half:]], [request]):
            expected = slow.once(*pieces), list(lines(caplog))
            assert (fast.once(*pieces), list(lines(caplog))) == expected, pieces
    assert seen(fast.rig) == seen(slow.rig)


@pytest.mark.parametrize("name", CLIENTS)
def test_real_clients_are_remembered(
    line: Line, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their second request is neither parsed nor given to a thread."""
    request = CLIENTS[name]
    assert b" 200 OK\r\n" in line.once(request)
    monkeypatch.setattr("broker.web.connection.Reading", None)
    answer = line.once(request)
    assert b" 200 OK\r\n" in answer
    assert [entry.outcome for entry in line.rig.audit] == ["served"] * 2


def test_a_form_that_comes_after_its_head(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Python sends it; remembered in whichever pieces it comes."""
    request = form(f"{GRANT}&{BY_NAME}", *TYPED)
    head, body = (request[: -len(f"{GRANT}&{BY_NAME}")], f"{GRANT}&{BY_NAME}".encode())
    assert line.once(head, body).startswith(OK)
    monkeypatch.setattr("broker.web.connection.Reading", None)
    for pieces in (
        (request,),
        (head, body),
        (head, body[:9], body[9:]),
        (head + body[:1], body[1:]),
    ):
        assert line.once(*pieces).startswith(OK)
    client = line.connect()
    assert client.send(head, body + PLAIN[:0] + request).count(OK) == 2


def test_headers_that_change(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are left out of what is looked up, and heeded."""
    line.once(PLAIN)
    monkeypatch.setattr("broker.web.connection.Reading", None)
    for number in range(3):
        headers = (*GOOD, f"X-Request-ID: id-{number}", f"traceparent: {TRACEPARENT}")
        assert f"X-Request-ID: id-{number}\r\n".encode() in line.once(sent("GET /token", headers))
    assert [entry.request_id for entry in line.rig.audit] == ["new", "id-0", "id-1", "id-2"]


def test_who_was_taken_away(line: Line) -> None:
    """Nothing is served to it from the moment on that it is not among the callers in force."""
    assert line.once(PLAIN).startswith(OK)
    line.rig.callers = Callers(CALLERS.callers[1:])
    assert line.once(PLAIN) == b""
    line.rig.callers = CALLERS
    assert line.once(PLAIN).startswith(OK)


def test_an_organization_that_was_taken_away(line: Line) -> None:
    """The same."""
    assert line.once(PLAIN).startswith(OK)
    line.rig.broker.configure({})
    assert line.once(PLAIN) == b""


@pytest.mark.parametrize("request_", [TOKEN, ASSERTION])
def test_a_service_account_is_remembered_once_it_was_verified(request_: bytes) -> None:
    """By a thread: the cluster's keys may have to be fetched. And as long as its token is good."""
    accounts, pool = Accounts(), HeldPool()
    line = Line(service(service_accounts=accounts), pool=pool)
    client = line.connect()
    assert client.send(request_) == b""
    pool.let_go()
    line.loop.settle()
    assert client.taken().startswith(OK)
    for _ in range(2):
        assert client.send(request_).startswith(OK)
    assert len(accounts.asked) == 1
    accounts.known.clear()
    assert client.send(request_) == b""


def test_what_memory_cannot_tell_is_a_threads(line: Line) -> None:
    """A token that has died, one that may be old; nothing has been noted of it then."""
    line.once(PLAIN)
    for slept in (5.0, 700.0):
        line.rig.clock.sleep(slept)
        assert line.once(PLAIN) == b""
    assert len(line.rig.audit) == 1


def test_a_long_form_is_a_threads(line: Line) -> None:
    """To read seven thousand parameters takes as long as a thousand answers."""
    known = f"{GRANT}&{BY_NAME}"
    assert line.once(form(known + "&" * (LONGEST_RAW - len(known)), *TYPED)).startswith(OK)
    assert line.once(form(known + "&" * (LONGEST_RAW - len(known) + 1), *TYPED)) == b""


def test_who_was_refused_is_not_remembered(line: Line) -> None:
    """So no stranger fills the memory; nor is what is too long to be held."""
    long = sent("GET /token", (*GOOD, "X-Long: " + "x" * LONGEST_RAW))
    for request in (*OTHERS, long):
        line.once(request)
    at_once = line.port.at_once
    assert at_once is not None
    before = len(at_once._heads)
    for request in (sent("GET /token", (*HOST, "Authorization: Bearer x")), sent("GET /nowhere")):
        line.once(request)
    assert len(at_once._heads) == before


def test_a_line_of_the_log_has_the_trace(caplog: pytest.LogCaptureFixture) -> None:
    """Also where the request is remembered; afterwards nothing of it stays."""
    caplog.set_level(logging.INFO, "broker.web.summary")
    caplog.handler.addFilter(InContext())
    line = Line(service(), told=1.0)
    for _ in range(3):
        line.once(sent("GET /token", (*GOOD, "X-Request-ID: mine", f"traceparent: {TRACEPARENT}")))
    told = list(lines(caplog))
    assert [one["request_id"] for one in told] == ["mine"] * 3
    assert {one["trace_id"] for one in told} == {TRACEPARENT.split("-")[1]}
    assert (REQUEST_ID.get(), TRACE_ID.get()) == (None, None)


def test_more_than_one_trace(caplog: pytest.LogCaptureFixture) -> None:
    """The line of the log has what it has on the other way."""
    caplog.set_level(logging.INFO, "broker.web.summary")
    caplog.handler.addFilter(InContext())
    twice = sent("GET /token", (*GOOD, f"traceparent: {TRACEPARENT}", "traceparent: x"))
    told = []
    for at_once in (True, False):
        line = Line(service(), told=1.0, at_once=at_once)
        line.once(PLAIN)
        line.once(twice)
        told.append([one.get("trace_id") for one in lines(caplog)])
    assert told[0] == told[1]


def test_only_a_share_has_a_line(caplog: pytest.LogCaptureFixture) -> None:
    """As chance decides, once for each request that is answered here."""
    caplog.set_level(logging.INFO, "broker.web.summary")
    for told, count in ((0.4, 0), (0.6, 1)):
        line = Line(service(), told=told)
        line.once(PLAIN)
        assert len(list(lines(caplog))) == count


def test_a_remembered_one_is_as_short_as_any(line: Line) -> None:
    """No key is in the answer."""
    line.once(PLAIN)
    assert not re.search(KEY.encode(), line.once(PLAIN))
