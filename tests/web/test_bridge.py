"""From the loop to the application and back: few at once, in their order, and what WSGI is told."""

import logging
from collections.abc import Iterable
from typing import Any

import pytest

from broker.web.bridge import AT_ONCE, MOMENT, Application, Bridge
from broker.web.malformed import MalformedRequests
from broker.web.reading import Sent
from tests.web.line import HeldPool, Loop


class Rig:
    """A bridge whose threads wait for the test."""

    def __init__(self) -> None:
        self.loop, self.pool = Loop(), HeldPool()
        loop: Any = self.loop
        self.bridge = Bridge(8, loop, self.pool)
        self.done: list[int] = []

    def give(self, count: int) -> None:
        """Give so many pieces of work."""
        for number in range(count):
            self.bridge.give(lambda number=number: number, self.done.append)  # type: ignore[misc]

    def end(self) -> None:
        """Let the oldest end."""
        self.pool.let_go()
        self.loop.settle()


@pytest.fixture
def rig() -> Rig:
    """Make one."""
    return Rig()


def test_few_are_worked_on_at_once(rig: Rig) -> None:
    """The others have their turn in the order in which they came."""
    rig.give(AT_ONCE + 3)
    assert len(rig.pool.held) == AT_ONCE
    rig.end()
    assert len(rig.pool.held) == AT_ONCE
    while rig.pool.held:
        rig.end()
    assert rig.done == list(range(AT_ONCE + 3))


def test_what_takes_longer_keeps_nobody(rig: Rig) -> None:
    """It waits for a refresh or for Redis, not for the interpreter."""
    rig.give(2 * AT_ONCE + 1)
    rig.loop.now += MOMENT * 1.01
    rig.loop.settle()
    assert len(rig.pool.held) == 2 * AT_ONCE
    rig.loop.now += MOMENT * 1.01
    rig.loop.settle()
    assert len(rig.pool.held) == 2 * AT_ONCE + 1


def test_who_ends_after_the_loop_tells_nobody(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is about to end."""

    def closed(*_: object) -> None:
        raise RuntimeError("Event loop is closed")

    rig.give(1)
    monkeypatch.setattr(rig.loop, "call_soon_threadsafe", closed)
    rig.end()
    assert rig.done == []


def sent(*headers: tuple[bytes, bytes], method: str = "GET", body: bytes = b"") -> Sent:
    """Return a request."""
    return Sent(method, "/a%20b?x=1", "/a b", "x=1", (1, 1), list(headers), body, closes=False)


def application(call: Any) -> Application:
    """Return a WSGI application that is asked for whole answers."""
    return Application(call, MalformedRequests(None), "https", "broker")


def test_what_wsgi_is_told() -> None:
    """Headers that are there twice are joined; whose name could be another's are dropped."""
    environ = application(None).environ(
        sent(
            (b"host", b"b"),
            (b"content-type", b"text/plain"),
            (b"content-length", b"5"),
            (b"x-request-id", b"a"),
            (b"x_request_id", b"taken"),
            (b"x-request-id", b"\xe9"),
            body=b"hello",
        ),
        "203.0.113.9",
    )
    assert environ["wsgi.input"].read() == b"hello"
    assert (
        environ.items()
        >= {
            "REQUEST_METHOD": "GET",
            "SCRIPT_NAME": "",
            "PATH_INFO": "/a b",
            "QUERY_STRING": "x=1",
            "RAW_URI": "/a%20b?x=1",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "b",
            "CONTENT_TYPE": "text/plain",
            "CONTENT_LENGTH": "5",
            "HTTP_X_REQUEST_ID": "a,\xe9",
            "REMOTE_ADDR": "203.0.113.9",
            "wsgi.url_scheme": "https",
        }.items()
    )


class Pieces:
    """An answer in pieces, which is to be closed."""

    def __init__(self) -> None:
        self.closed = False

    def __iter__(self) -> Any:
        return iter([b"a", b"b"])

    def close(self) -> None:
        """Note it."""
        self.closed = True


def test_an_answer_is_sent_as_a_whole() -> None:
    """And closed, as WSGI wants it."""
    pieces = Pieces()

    def call(environ: Any, start: Any) -> Iterable[bytes]:
        start("200 OK", [("Content-Length", "2")])
        return pieces

    answer, close = application(call).answer(sent(), "", lambda: True)
    assert answer.endswith(b"Connection: keep-alive\r\nContent-Length: 2\r\n\r\nab")
    assert not close
    assert pieces.closed


@pytest.mark.parametrize("fault", ["raise", "no start"])
def test_a_defect_is_answered(fault: str, caplog: pytest.LogCaptureFixture) -> None:
    """Also one around the framework, which answers its own."""
    caplog.set_level(logging.DEBUG)

    def call(environ: Any, start: Any) -> Iterable[bytes]:
        if fault == "raise":
            raise RuntimeError("a secret")
        return [b"x"]

    answer, close = application(call).answer(sent(), "", lambda: True)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert close
    assert "secret" not in caplog.text
