"""TLS between a connection and its socket: handshakes, faults, and goodbyes."""

import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from broker.web.client import IDLE_LIMIT, LINGER, READ_LIMIT, WRITE_LIMIT
from broker.web.connection import Connection
from broker.web.secured import Secured
from broker.web.serving import HANDSHAKES
from tests.redis.certificates import LOOPBACK, Authority, Pair
from tests.web.line import Line, Transport
from tests.web.requests import PLAIN, sent
from tests.web.rig import Rig

OK = b"HTTP/1.1 200 OK\r\n"
LAST = sent("GET /health/live", ("Host: b", "Connection: close"))


class Tls:
    """An authority, the server's context and a client's."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder, "authority")
        self.server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._load(self.server, self.authority.server(LOOPBACK))
        self.client = ssl.create_default_context(cafile=self.authority.file)

    @staticmethod
    def _load(context: ssl.SSLContext, pair: Pair) -> None:
        context.load_cert_chain(pair.certificate, pair.key)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """Found one."""
    return Tls(tmp_path_factory.mktemp("tls"))


class Client:
    """A client of a port with TLS, which may send its records in pieces."""

    def __init__(self, line: Line, tls: Tls, *, piece: int = 1 << 20) -> None:
        self._line, self._piece = line, piece
        self.transport = Transport()
        self.connection = Connection(line.port)
        line.port.connections.add(self.connection)
        self.secured: Any = Secured(self.connection, tls.server, line.port.take_turn)
        self.transport.protocol = self.secured
        self.secured.connection_made(self.transport)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = tls.client.wrap_bio(self._in, self._out, server_hostname="127.0.0.1")

    def shake_hands(self) -> None:
        """Agree on a key."""
        for _ in range(10):
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self.exchange()
            else:
                self.exchange()
                return
        raise AssertionError

    def exchange(self) -> None:
        """Let each side have what the other sends."""
        data = self._out.read()
        for start in range(0, len(data), self._piece):
            if not self.transport.closed:
                self.secured.data_received(data[start : start + self._piece])
        self._line.loop.settle()
        sent_, self.transport.sent = self.transport.sent, b""
        self._in.write(sent_)

    def ask(self, request: bytes) -> bytes:
        """Return what comes for a request."""
        self.tls.write(request)
        self.exchange()
        answer = b""
        with suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            while piece := self.tls.read(65536):
                answer += piece
        return answer

    def is_told_goodbye(self) -> bool:
        """Tell whether the broker said that nothing more comes."""
        try:
            return self.tls.read(1) == b""
        except ssl.SSLZeroReturnError:
            return True
        except ssl.SSLWantReadError:
            return False


@pytest.fixture
def line(tls: Tls, caplog: pytest.LogCaptureFixture) -> Line:
    """Return a port with TLS whose organization has its token."""
    caplog.set_level("INFO", "broker")
    rig = Rig("acme")
    rig.broker.token("acme")
    return Line(rig, context=lambda: tls.server)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the errors that the log tells of."""
    return [vars(one)["error"] for one in caplog.records if one.message == "request.malformed"]


@pytest.mark.parametrize("piece", [1 << 20, 1, 7])
def test_requests_in_records_of_any_size(line: Line, tls: Tls, piece: int) -> None:
    """Cold and remembered, several at once."""
    client = Client(line, tls, piece=piece)
    client.shake_hands()
    for _ in range(3):
        assert client.ask(PLAIN).startswith(OK)
    assert client.ask(PLAIN * 3).count(OK) == 3
    assert client.ask(PLAIN[:9]) == b""
    assert client.ask(PLAIN[9:]).startswith(OK)


def test_records_of_one_byte(line: Line, tls: Tls) -> None:
    """Each of them enciphered by itself."""
    client = Client(line, tls)
    client.shake_hands()
    for number in range(len(PLAIN)):
        client.tls.write(PLAIN[number : number + 1])
    assert client.ask(b"").startswith(OK)


def test_the_end_is_said(line: Line, tls: Tls) -> None:
    """In TLS and to the socket; the client has a moment to close."""
    client = Client(line, tls)
    client.shake_hands()
    assert client.ask(LAST).startswith(OK)
    assert client.is_told_goodbye()
    assert client.transport.ended
    line.pass_time(LINGER + 0.1)
    assert client.transport.closed


def test_a_flood_of_handshakes_gives_way(line: Line, tls: Tls) -> None:
    """Some are gone on with, then others have their turn."""
    clients = [Client(line, tls) for _ in range(3 * HANDSHAKES)]
    for client in clients:
        with suppress(ssl.SSLWantReadError):
            client.tls.do_handshake()
        client.secured.data_received(client._out.read())
    done = []
    while line.loop.turn():
        done.append(sum(bool(client.transport.sent) for client in clients))
    assert done == [HANDSHAKES, 2 * HANDSHAKES, 3 * HANDSHAKES]


def test_a_goodbye_that_is_not_taken(line: Line, tls: Tls) -> None:
    """Silence ends all the same."""
    client = Client(line, tls)
    client.shake_hands()
    client.transport.narrow = True
    line.pass_time(IDLE_LIMIT + 0.1)
    assert not client.transport.closed
    line.pass_time(WRITE_LIMIT)
    assert client.transport.closed


def test_a_client_that_goes_before_its_turn(line: Line, tls: Tls) -> None:
    """Nothing is done for it."""
    client = Client(line, tls)
    with suppress(ssl.SSLWantReadError):
        client.tls.do_handshake()
    client.secured.data_received(client._out.read())
    client.transport.close()
    line.loop.settle()
    assert client.transport.sent == b""


def test_a_client_that_says_goodbye(line: Line, tls: Tls) -> None:
    """Is said goodbye to."""
    client = Client(line, tls)
    client.shake_hands()
    with suppress(ssl.SSLError):
        client.tls.unwrap()
    client.exchange()
    assert client.transport.closed
    assert line.port.connections == set()


def test_a_handshake_that_stops(line: Line, tls: Tls, caplog: pytest.LogCaptureFixture) -> None:
    """It has the time of a request, from its first byte."""
    client = Client(line, tls)
    with suppress(ssl.SSLWantReadError):
        client.tls.do_handshake()
    client.secured.data_received(client._out.read(20))
    line.pass_time(READ_LIMIT - 1)
    client.secured.data_received(client._out.read(20))
    line.pass_time(0.9)
    assert told(caplog) == []
    line.pass_time(0.2)
    assert client.transport.closed
    assert told(caplog) == ["TooSlow"]


@pytest.mark.parametrize("noise", [PLAIN, b"\x00" * 100])
def test_what_is_no_tls(
    line: Line, tls: Tls, caplog: pytest.LogCaptureFixture, noise: bytes
) -> None:
    """The connection ends, with one quiet line; nothing is answered in the clear."""
    client = Client(line, tls)
    client.secured.data_received(noise)
    line.loop.settle()
    assert client.transport.closed
    assert b"HTTP" not in client.transport.sent
    assert len(told(caplog)) == 1


def test_a_record_that_is_broken(line: Line, tls: Tls, caplog: pytest.LogCaptureFixture) -> None:
    """After the handshake as well."""
    client = Client(line, tls)
    client.shake_hands()
    client.secured.data_received(b"\x17\x03\x03\x00\x20" + b"x" * 32)
    assert client.transport.closed
    assert len(told(caplog)) == 1


def test_a_client_that_only_connects(
    line: Line, tls: Tls, caplog: pytest.LogCaptureFixture
) -> None:
    """A probe is no event at all."""
    client = Client(line, tls)
    client.secured.eof_received()
    assert client.transport.closed
    assert told(caplog) == []
    assert line.port.connections == set()


def test_an_answer_that_is_not_taken(line: Line, tls: Tls) -> None:
    """The connection learns of it."""
    client = Client(line, tls)
    client.shake_hands()
    client.transport.narrow = True
    client.tls.write(PLAIN)
    client.exchange()
    assert client.connection._slow
    client.secured.resume_writing()
    assert not client.connection._slow
