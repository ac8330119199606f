"""A TLS handshake has a thread only while there is something to work on, and one limit in all."""

import logging
import selectors
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.workers.gthread import TConn, ThreadWorker

from broker.web import worker as module
from broker.web.handshake import UNFINISHED
from broker.web.pool import Ended
from broker.web.worker import LOOK, READ_LIMIT, BrokerWorker
from tests.redis.certificates import LOOPBACK, Authority

pytestmark = pytest.mark.sockets

SERVED = object()
"""The result of gunicorn's own handling."""


class Rig:
    """A worker that does not run, and a client that is connected to it."""

    def __init__(self, authority: Authority) -> None:
        pair = authority.server(LOOPBACK)
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(pair.certificate, pair.key)
        cfg = Config()
        cfg.set("certfile", str(pair.certificate))
        cfg.set("ssl_context", lambda config, default: server)
        cfg.set("do_handshake_on_connect", False)
        self.now = 1000.0
        self.worker = BrokerWorker(0, 0, [], SimpleNamespace(), 30, cfg, logging.getLogger())
        self.worker.poller = selectors.DefaultSelector()
        self.worker.nr_conns = 1
        self.refused: list[Exception] = []
        near, self.far = socket.socketpair()
        self.conn: Any = TConn(cfg, near, ("203.0.113.9", 1), ("127.0.0.1", 80))
        self.sent, self.received = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = ssl.create_default_context(cafile=authority.file)
        self._tls = client.wrap_bio(self.received, self.sent, server_hostname="127.0.0.1")
        self.given: list[Any] = []
        self.results: list[object] = []

    def shake_hands(self) -> bytes:
        """Let the client go on with the handshake; return what it has to send now."""
        self.far.settimeout(0)
        with suppress(BlockingIOError):
            self.received.write(self.far.recv(65536))
        with suppress(ssl.SSLWantReadError):
            self._tls.do_handshake()
        return self.sent.read()

    def turn(self) -> None:
        """Let the main loop turn once, and a thread do what it gives to one."""
        self.worker.wait_for_and_dispatch_events(0.0)
        while self.given:
            ended = Ended()
            ended.keep = self.worker.handle(self.given.pop())
            self.results.append(ended.keep)
            if ended.keep is not SERVED:
                self.worker.finish_request(self.conn, ended)

    def is_open(self) -> bool:
        """Tell whether the client may go on."""
        self.far.settimeout(0)
        try:
            return self.far.recv(65536) != b""
        except BlockingIOError:
            return True

    def close(self) -> None:
        """Close what is open."""
        self.far.close()
        self.conn.sock.close()
        self.worker.poller.close()
        self.worker.tmp.close()


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """Make one in which a new connection waits for its first byte."""
    rig = Rig(Authority(tmp_path, "authority"))
    monkeypatch.setattr(module, "monotonic", lambda: rig.now)
    monkeypatch.setattr(rig.worker._pool, "give", lambda work: rig.given.append(work.args[0]))
    monkeypatch.setattr(
        rig.worker, "handle_error", lambda req, sock, client, error: rig.refused.append(error)
    )
    monkeypatch.setattr(ThreadWorker, "handle", lambda worker, conn: SERVED)
    rig.worker.enqueue_req(rig.conn)
    yield rig
    rig.close()


def test_a_handshake(rig: Rig) -> None:
    """It has a thread twice, and waits in the main loop between; then the request is handled."""
    rig.far.sendall(rig.shake_hands())
    rig.turn()
    assert rig.results == [UNFINISHED]
    rig.turn()
    assert rig.results == [UNFINISHED]
    rig.far.sendall(rig.shake_hands())
    rig.turn()
    assert rig.results == [UNFINISHED, SERVED]
    assert not rig.worker.handshakes


def test_a_handshake_in_pieces_has_one_limit(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """From its first byte on; it is cut in the main loop, with one quiet line."""
    caplog.set_level(logging.DEBUG)
    hello = rig.shake_hands()
    for place in range(5):
        rig.far.sendall(hello[place : place + 1])
        rig.turn()
        rig.now += READ_LIMIT / 5
    assert rig.is_open()
    rig.now += LOOK
    rig.turn()
    rig.turn()
    assert not rig.is_open()
    assert rig.results == [*[UNFINISHED] * 5, False]
    assert [(one.message, vars(one)["error"]) for one in caplog.records] == [
        ("request.malformed", "TooSlow")
    ]
    assert not rig.worker.handshakes


def test_what_is_no_tls(rig: Rig) -> None:
    """It is refused as what cannot be read is."""
    rig.far.sendall(b"GET / HTTP/1.1\r\n\r\n")
    rig.turn()
    assert rig.results == [False]
    assert [type(error) for error in rig.refused] == [ssl.SSLError]


def test_a_client_that_resets(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nobody to refuse."""
    rig.far.sendall(rig.shake_hands())
    rig.turn()

    def reset(_: object) -> None:
        raise ConnectionResetError

    monkeypatch.setattr(ssl.SSLSocket, "do_handshake", reset)
    rig.far.sendall(rig.shake_hands())
    rig.turn()
    assert rig.results == [UNFINISHED, False]
    assert rig.refused == []
    assert rig.worker.nr_conns == 1


def test_an_answer_that_does_not_fit(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The main loop waits until the client has taken some."""

    def full(_: object) -> None:
        raise ssl.SSLWantWriteError

    with monkeypatch.context() as patch:
        patch.setattr(ssl.SSLSocket, "do_handshake", full)
        rig.far.sendall(rig.shake_hands())
        rig.turn()
    rig.turn()
    assert rig.results == [UNFINISHED] * 2
    rig.far.sendall(rig.shake_hands())
    rig.turn()
    assert rig.results[2:] == [SERVED]
