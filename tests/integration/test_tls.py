"""TLS served by gunicorn itself: who gets in, who does not, and new certificates without a stop."""

import json
import select
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography import x509

from broker.emulator.canvas import Canvas
from broker.emulator.server import EmulatorServer
from tests.integration.deployment import CONSUMER, SECRET_KEY, START_LIMIT, Deployment
from tests.integration.wire import Wire
from tests.redis.certificates import LOOPBACK, Authority, Pair
from tests.servers import RedisServer

pytestmark = pytest.mark.sockets

THREADS = 4
READ_AT_ONCE = 8192
MANY = 30
SHORT = 4.0
SHORTENED = f"""
from broker.web import client
client.READ_LIMIT = {SHORT}
from broker.cli import main
main()
"""
LIVE = b"GET /health/live HTTP/1.1\r\nHost: b\r\n\r\n"
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
"""How a handshake begins."""


class Served:
    """A broker that serves TLS to clients with a certificate of its authority."""

    def __init__(self, directory: Path, emulator: EmulatorServer, redis_url: str) -> None:
        self.directory = directory
        self.authority = Authority(directory, "ours")
        self.caller = self.authority.server(x509.DNSName("caller.example"))
        self.cert, self.key = directory / "tls.crt", directory / "tls.key"
        self.install(self.authority.server(LOOPBACK))
        settings = {
            "BROKER_REDIS_PREFIX": "tls",
            "BROKER_WORKERS": "1",
            "BROKER_THREADS": str(THREADS),
            "BROKER_LOG_LEVEL": "debug",
            "BROKER_RELOAD_INTERVAL": "0.1",
            "BROKER_TLS_CERT_FILE": str(self.cert),
            "BROKER_TLS_KEY_FILE": str(self.key),
            "BROKER_TLS_CLIENT_CA_FILE": str(self.authority.file),
        }
        self.fleet = Deployment(directory, emulator, redis_url, brokers=1, settings=settings)
        self.fleet.brokers[0].command = (sys.executable, "-c", SHORTENED, "serve")
        self.port = self.fleet.brokers[0].port

    def install(self, pair: Pair) -> None:
        """Put a certificate and its key where the broker looks for them."""
        self.key.write_bytes(pair.key.read_bytes())
        self.cert.write_bytes(pair.certificate.read_bytes())

    def client(self, shown: Pair | None) -> ssl.SSLContext:
        """Return a client that trusts the authority and shows a certificate, or none."""
        context = ssl.create_default_context(cafile=self.authority.file)
        if shown is not None:
            context.load_cert_chain(shown.certificate, shown.key)
        return context

    def connect(self) -> Wire:
        """Connect as the caller."""
        return Wire(self.port, self.client(self.caller))

    def serial(self) -> str:
        """Return the serial number of the certificate that is served now."""
        with self.connect() as wire:
            assert isinstance(wire.socket, ssl.SSLSocket)
            return str((wire.socket.getpeercert() or {})["serialNumber"])

    def wait_until(self, done: Callable[[], bool]) -> None:
        """Look again and again."""
        until = time.monotonic() + START_LIMIT
        while not done():
            assert time.monotonic() < until, self.log()
            time.sleep(0.05)

    def log(self) -> str:
        """Return all that it wrote."""
        return self.fleet.brokers[0].log()

    def is_up(self) -> bool:
        """Tell whether the caller is served."""
        try:
            with self.connect() as wire:
                return wire.send(LIVE).answer().status == 200
        except OSError:
            return False


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, valkey: RedisServer) -> Iterator[Served]:
    """Start one broker for all tests."""
    with EmulatorServer(Canvas({CONSUMER: SECRET_KEY}, names={CONSUMER: "acme"})) as emulator:
        served = Served(tmp_path_factory.mktemp("tls"), emulator, valkey.url)
        with served.fleet:
            served.wait_until(served.is_up)
            yield served


@pytest.fixture
def served(running: Served) -> Iterator[Served]:
    """Lend the broker; afterwards it serves, and its log has no error and no traceback."""
    before = len(running.log())
    yield running
    assert running.is_up()
    told = running.log()[before:]
    assert "Traceback" not in told
    assert "request.crashed" not in told


def malformed(served: Served) -> int:
    """Count the lines about requests that could not be read."""
    return served.log().count('"request.malformed"')


def test_token(served: Served) -> None:
    """As without TLS, several on one connection, also two at once."""
    request = f"GET /token HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer {served.fleet.key}\r\n\r\n"
    with served.connect() as wire:
        for _ in range(3):
            assert wire.send(request.encode()).answer().body["token_type"] == "Bearer"
        wire.send(request.encode() * 2)
        assert [wire.answer().status for _ in range(2)] == [200, 200]


def test_more_at_once_than_is_read_at_once(served: Served) -> None:
    """What TLS has deciphered already is served though no more bytes arrive."""
    around = len(LIVE) + len(b"\r\nX-Padding: ")
    padding = b"x" * (READ_AT_ONCE // 2 - around)
    request = LIVE.replace(b"\r\n\r\n", b"\r\nX-Padding: " + padding + b"\r\n\r\n")
    with served.connect() as wire:
        wire.send(request * 4)
        assert [wire.answer().status for _ in range(4)] == [200] * 4


def test_an_old_version_is_refused(served: Served) -> None:
    """TLS 1.2 is the least."""
    client = served.client(served.caller)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    with Wire(served.port, client) as wire:
        assert wire.send(LIVE).answer().status == 200
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        client.minimum_version = client.maximum_version = ssl.TLSVersion.TLSv1_1
    client.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        Wire(served.port, client)


def test_there_is_no_http2(served: Served) -> None:
    """Nobody is told of it."""
    client = served.client(served.caller)
    client.set_alpn_protocols(["h2", "http/1.1"])
    with Wire(served.port, client) as wire:
        assert isinstance(wire.socket, ssl.SSLSocket)
        assert wire.socket.selected_alpn_protocol() is None
        assert wire.send(LIVE).answer().status == 200


def assert_turned_away(served: Served, client: ssl.SSLContext) -> None:
    """Check that the connection ends, with one quiet line."""
    before = malformed(served)
    with pytest.raises((ssl.SSLError, ConnectionError)), Wire(served.port, client) as wire:
        wire.send(LIVE).socket.recv(1)  # with TLS 1.3 the client learns it late
    served.wait_until(lambda: malformed(served) == before + 1)


def test_client_without_a_certificate(served: Served) -> None:
    """It is turned away."""
    assert_turned_away(served, served.client(None))


def test_client_with_a_certificate_of_another_authority(served: Served) -> None:
    """It is turned away, too."""
    stranger = Authority(served.directory, "theirs").server(LOOPBACK)
    assert_turned_away(served, served.client(stranger))


def test_client_that_does_not_trust_the_broker(served: Served) -> None:
    """It hangs up itself."""
    other = Authority(served.directory, "other")
    client = ssl.create_default_context(cafile=other.file)
    before = malformed(served)
    with pytest.raises(ssl.SSLCertVerificationError):
        Wire(served.port, client)
    served.wait_until(lambda: malformed(served) == before + 1)


@pytest.mark.parametrize("sent", [LIVE, b"\x00" * 100, HELLO + b"\x00" * 600])
def test_what_is_no_tls(served: Served, sent: bytes) -> None:
    """Plain HTTP and noise: the connection ends, with one quiet line."""
    before = malformed(served)
    with Wire(served.port) as wire:
        wire.send(sent)
        while not wire.is_closed():
            pass  # an alert may come first
    served.wait_until(lambda: malformed(served) == before + 1)


def test_tls_spoken_to_the_plain_port(
    tmp_path: Path, emulator: EmulatorServer, valkey: RedisServer
) -> None:
    """A client that mistakes the port is told so at once."""
    with Deployment(tmp_path, emulator, valkey.url, brokers=1) as fleet:
        broker = fleet.brokers[0]
        broker.wait_for("/health/live", lambda reply: reply.status == 200)
        with pytest.raises(ssl.SSLError):
            Wire(broker.port, ssl.create_default_context())
        assert broker.get("/health/live").status == 200
        assert broker.terminate() == 0  # it writes all lines that wait
        assert broker.log().count('"request.malformed"') == 1
        assert "Traceback" not in broker.log()


def test_handshakes_that_stop(served: Served) -> None:
    """They hold no thread: others are served before the limit, at which all are cut."""
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(served.port)).send(HELLO) for _ in range(MANY)]
        with served.connect() as wire:
            assert wire.send(LIVE).answer().status == 200
        assert select.select([wire.socket for wire in wires], [], [], 0.0)[0] == []
        assert all(wire.is_closed() for wire in wires)


def test_connections_that_come_and_go(served: Served) -> None:
    """A probe that only connects is no event at all."""
    before = malformed(served)
    for _ in range(3):
        socket.create_connection(("127.0.0.1", served.port)).close()
    assert served.is_up()
    assert malformed(served) == before


def test_end_of_a_connection_is_said(served: Served) -> None:
    """So that a client can tell it from a cut one."""
    last = LIVE.replace(b"Host: b", b"Host: b\r\nConnection: close")
    client = served.client(served.caller)
    near = socket.create_connection(("127.0.0.1", served.port), timeout=5)
    with client.wrap_socket(near, server_hostname="127.0.0.1", suppress_ragged_eofs=False) as wire:
        wire.sendall(last)
        answer = b""
        while piece := wire.recv(65536):
            answer += piece
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"status": "pass"}


def test_a_new_certificate(served: Served) -> None:
    """It is served from the next connection on; one that is open stays."""
    with served.connect() as old:
        before = served.serial()
        served.install(served.authority.server(LOOPBACK))
        served.wait_until(lambda: served.serial() != before)
        assert old.send(LIVE).answer().status == 200
    assert '"files.reloaded"' in served.log()


def test_a_broken_certificate(served: Served) -> None:
    """The old one stays, and the log says what is wrong without a path or a word of it."""
    before, read = served.serial(), len(served.log())
    good = served.key.read_bytes()
    served.key.write_text("canary")
    served.wait_until(lambda: '"files.refused"' in served.log()[read:])
    assert served.serial() == before
    served.key.write_bytes(good)
    told = served.log()[read:]
    assert "BROKER_TLS_KEY_FILE must hold a private key in PEM" in told
    assert "canary" not in told
    assert str(served.key) not in told
