"""Without WSGI in between, the same bytes come over the socket."""

import re
import socket
from collections.abc import Iterator
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.workers.gthread import TConn

from broker.web import request_id
from broker.web.express import ExpressLane
from broker.web.malformed import MalformedRequests
from broker.web.server import QuietLogger
from broker.web.shortcut import asked_of
from broker.web.worker import BrokerWorker
from tests.web.rig import KEY
from tests.web.test_express import BILLING, REQUESTS, Side, sides

pytestmark = pytest.mark.sockets

AUTHORIZED = f"Host: b\r\nAuthorization: Bearer {KEY}\r\n"
RAW = (
    f"GET /token HTTP/1.1\r\n{AUTHORIZED}\r\n",
    f"GET /token HTTP/1.0\r\n{AUTHORIZED}\r\n",
    f"GET /token HTTP/1.0\r\n{AUTHORIZED}Connection: keep-alive\r\n\r\n",
    f"GET /token HTTP/1.1\r\n{AUTHORIZED}Connection: close\r\n\r\n",
    f"GET /token HTTP/1.1\r\n{AUTHORIZED}Connection: Close, x\r\n\r\n",
    f"GET /token HTTP/1.1\r\n{AUTHORIZED}Authorization: Bearer other\r\n\r\n",
    f"GET /token HTTP/1.1\r\n{AUTHORIZED}X-Request-ID: a\r\nX-Request-ID: b\r\n\r\n",
    f"GET /token HTTP/1.1\r\n{AUTHORIZED}X_Request_ID: a\r\n\r\n",
    f"GET /token HTTP/1.1\r\n{AUTHORIZED}x-request-id: a-1\r\nTraceParent: x\r\n\r\n",
    f"GET /token HTTP/1.1\r\n{AUTHORIZED}Content-Length: 0\r\n\r\n",
    f"GET /token HTTP/1.1\r\n{AUTHORIZED}Content-Length: 5\r\n\r\nhello",
    f"GET /token HTTP/1.1\r\n{AUTHORIZED}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    f"GET /token HTTP/1.1\r\n{AUTHORIZED}Expect: 100-continue\r\n\r\n",
    f"GET /token HTTP/1.1\r\n{AUTHORIZED}Upgrade: h2c\r\nConnection: upgrade\r\n\r\n",
    f"GET http://b/token HTTP/1.1\r\n{AUTHORIZED}\r\n",
    f"GET /token?organization=acme#x HTTP/1.1\r\n{AUTHORIZED}\r\n",
    f"GET /token#x HTTP/1.1\r\n{AUTHORIZED}\r\n",
    f"GET /token?? HTTP/1.1\r\n{AUTHORIZED}\r\n",
    f"GET /tokens HTTP/1.1\r\n{AUTHORIZED}\r\n",
    f"GET /%74oken HTTP/1.1\r\n{AUTHORIZED}\r\n",
    f"HEAD /token HTTP/1.1\r\n{AUTHORIZED}\r\n",
)


def raw(path: str, headers: dict[str, str]) -> str:
    """Return a request as it is sent."""
    lines = [f"GET {path} HTTP/1.1", "Host: b", *(f"{n}: {v}" for n, v in headers.items())]
    return "\r\n".join([*lines, "", ""])


class Wire:
    """A worker with an application, asked over a socket."""

    def __init__(self, side: Side, *, short: bool, client: Any = ("203.0.113.9", 7)) -> None:
        self.cfg = Config()
        self.cfg.set("keepalive", 75)
        logger = QuietLogger(self.cfg)
        self.worker = BrokerWorker(0, 0, [], SimpleNamespace(), 30, self.cfg, logger)
        application: Any = self.worker._between(side.application)
        self.worker.wsgi = application
        self.worker.malformed = MalformedRequests(side.rig.desk)
        if short:
            assert isinstance(side.application, ExpressLane)
            self.worker.lane = side.application
        self.client = client

    def ask(self, request: str) -> tuple[bool, bytes]:
        """Return whether the connection is kept, and all bytes that came but the date."""
        near, far = socket.socketpair()
        with near, far:
            conn: Any = TConn(self.cfg, near, self.client, ("127.0.0.1", 80))
            conn.data_ready, conn.since = True, monotonic()
            far.sendall(request.encode("latin-1"))
            kept = bool(self.worker.handle(conn))
            near.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: far.recv(65536), b""))
        date = rb"Date: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\n"
        rest, dates = re.subn(date, b"", answer)
        assert dates == 1
        return kept, rest

    def close(self) -> None:
        """Close the worker's file."""
        self.worker.tmp.close()


@pytest.fixture(autouse=True)
def _known_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_id, "new_id", lambda: "new")


@pytest.fixture(params=[("203.0.113.9", 7), ("2001:db8::7", 7, 0, 0), "", b""], ids=repr)
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[Wire, Wire]]:
    """Return the long way and the short one, for a client of each kind."""
    both = (
        Wire(sides()[1], short=False, client=request.param),
        Wire(sides()[1], short=True, client=request.param),
    )
    yield both
    for wire in both:
        wire.close()


@pytest.fixture
def short() -> Iterator[Wire]:
    """Return the short way."""
    wire = Wire(sides()[1], short=True)
    yield wire
    wire.close()


def test_every_byte_is_the_same(pair: tuple[Wire, Wire]) -> None:
    """For each request of the other twins, and for what only a socket can bring."""
    long, short = pair
    for request in (*RAW, *(raw(path, headers) for path, headers in REQUESTS)):
        assert short.ask(request) == long.ask(request), request


@pytest.mark.parametrize(("alive", "most"), [(False, 1000), (True, 0)])
def test_a_connection_is_closed_where_it_cannot_be_kept(
    pair: tuple[Wire, Wire], alive: bool, most: int
) -> None:
    """The worker stops, or keeps as many as it may."""
    long, short = pair
    for wire in pair:
        wire.worker.alive, wire.worker.max_keepalived = alive, most
    kept, answer = short.ask(RAW[0])
    assert (kept, answer) == long.ask(RAW[0])
    assert not kept
    assert b"Connection: close\r\n" in answer


@pytest.mark.parametrize("path", ["/token", "/token?organization=acme"])
def test_a_plain_request_meets_no_wsgi(short: Wire, path: str) -> None:
    """Not even the environment is built."""

    def fail(environ: Any, start_response: Any) -> list[bytes]:
        raise AssertionError("WSGI was used")

    short.worker.wsgi = fail
    kept, answer = short.ask(raw(path, BILLING))
    assert kept
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")


def test_no_clock_of_the_client_runs_meanwhile(
    short: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the request is worked on it is not cut; then the client has time to take the answer."""
    seen: list[float] = []
    lane = short.worker.lane
    assert lane is not None
    answer = lane.answer

    def look(asked: Any) -> Any:
        seen.extend(until for _, until in short.worker._busy.values())
        return answer(asked)

    monkeypatch.setattr(lane, "answer", look)
    short.ask(RAW[0])
    assert seen == [float("inf")]
    assert short.worker._busy == {}


def test_what_was_asked_is_read_from_the_request() -> None:
    """Only the headers that are looked at are kept."""
    req = SimpleNamespace(
        method="GET",
        uri="/token?organization=acme",
        headers=[("HOST", "b"), ("X-REQUEST-ID", "mine"), ("TRACEPARENT", "t")],
    )
    asked = asked_of(req, req.uri, ("203.0.113.9", 7))
    assert asked is not None
    assert (asked.method, asked.sent) == ("GET", "organization=acme")
    assert (asked.request_id, asked.traceparent) == ("mine", "t")
    assert asked.remote == "203.0.113.9"
