"""Each way an exchange can fail before anything is sent, played by a server on loopback."""

import socket
import time
from threading import Event, Thread
from threading import enumerate as threads

import pytest

from broker.errors import NotSentError
from broker.limits import Limits
from broker.upstream import wire
from broker.upstream.wire import CARRIER, Request
from tests.servers import PATIENCE, SLACK
from tests.upstream.asking import DRIP, ask, failure
from tests.upstream.samples import HASTY, body, http
from tests.upstream.scripted import ScriptedServer

pytestmark = [pytest.mark.sockets, pytest.mark.usefixtures("no_carrier_left")]


def test_a_refused_connection_is_definite() -> None:
    """Nobody listens, so nothing was sent."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        found = failure(f"http://127.0.0.1:{bound.getsockname()[1]}")
    assert isinstance(found, NotSentError)
    assert found.kind == "connect"


def test_an_unknown_host_is_definite(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name cannot be resolved, so nothing was sent."""

    def unknown(*_: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    found = failure("http://canvas.invalid")
    assert isinstance(found, NotSentError)
    assert found.kind == "dns"


def test_a_connection_that_does_not_come_about_is_definite() -> None:
    """A backlog that is full answers nobody: the connect timeout ends it, not the deadline."""
    limits = Limits(upstream_timeout=60, upstream_connect_timeout=0.15)
    began = time.monotonic()
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for filler in (first, second):
            filler.settimeout(0)
            filler.connect_ex(full.getsockname())
        found = failure(f"http://127.0.0.1:{full.getsockname()[1]}", limits)
    assert time.monotonic() - began < limits.upstream_connect_timeout + SLACK
    assert isinstance(found, NotSentError)
    assert found.kind == "connect_timeout"


def test_tls_to_a_server_without_it_is_definite() -> None:
    """The handshake failed, so the request was not sent."""
    with ScriptedServer(b"HTTP/1.1 400 Bad Request\r\n\r\n", 0.2, first=True) as server:
        found = failure(server.url.replace("http:", "https:"))
    assert isinstance(found, NotSentError)
    assert found.kind == "tls"


@pytest.mark.parametrize("script", [[30.0], [b"\x16\x03\x03\x40\x00", *DRIP]])
def test_a_handshake_that_does_not_end_is_definite(script: list[bytes | float]) -> None:
    """Silent or dripping, TLS ends at the deadline at the latest, and the connection with it."""
    with ScriptedServer(*script, first=True) as server:
        found = failure(server.url.replace("http:", "https:"), HASTY)
        assert server.hung_up.wait(PATIENCE)
    assert isinstance(found, NotSentError)
    assert found.kind == "connect_timeout"


def test_an_abandoned_attempt_never_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name resolution hangs past the deadline and then works: not one byte is sent.

    ::

        caller    start ── waits ── deadline: definite
        carrier   getaddrinfo ─────────────────────── address ── connect ── must not send
    """
    release = Event()
    resolve = socket.getaddrinfo

    def slow(*args: object) -> object:
        release.wait(PATIENCE)
        return resolve(*args)  # type: ignore[arg-type] # handed through as they came

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with ScriptedServer(http(body())) as server:
        found = failure(server.url, HASTY)
        carriers = [thread for thread in threads() if thread.name == CARRIER]
        release.set()
        for carrier in carriers:
            carrier.join(PATIENCE)
        assert server.accepted.wait(PATIENCE)
        assert server.hung_up.wait(PATIENCE)
    assert carriers
    assert isinstance(found, NotSentError)
    assert found.kind == "connect_timeout"
    assert server.received == [b""]


def test_a_request_that_cannot_be_written_is_definite() -> None:
    """A key with a line break fails before the first byte."""
    with ScriptedServer(http(body())) as server, pytest.raises(NotSentError):
        ask(server.url, Request("/Authenticate", {"Consumer": "a\r\nX: y"}))
    assert server.received in ([], [b""])  # nobody may have come before the server closed


def test_no_thread_to_be_had_is_definite(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host at its limit of threads sends nothing."""

    class Refused(Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(wire, "Thread", Refused)
    found = failure("http://127.0.0.1:9")
    assert isinstance(found, NotSentError)
    assert found.kind == "no_thread"
    assert found.__context__ is None
