"""The port for operators on real workers: its paths, and that neither port stops the other."""

import ssl
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography import x509

from broker.emulator.canvas import Canvas
from broker.emulator.server import EmulatorServer
from broker.web.endpoints import PORTS, Port
from tests.integration.deployment import CONSUMER, REQUEST_LIMIT, SECRET_KEY, Deployment
from tests.integration.test_drain import wait_for_drain
from tests.integration.wire import Answer, Wire
from tests.redis.certificates import LOOPBACK, Authority
from tests.servers import PATIENCE, RedisServer, free_port

pytestmark = pytest.mark.sockets

THREADS = 4
CONNECTIONS = 20
LONG = 120.0
"""Seconds that a slow client may take here: longer than any test waits for an answer."""
SMALL = f"""
from broker.settings import host
from broker.web import client
host.MOST_CONNECTIONS = {CONNECTIONS}
client.READ_LIMIT = {LONG}
from broker.cli import main
main()
"""
HALF = b"GET /health/live HTTP/1.1\r\nX-Slow: "
OPERATORS = [path for path, ports in PORTS.items() if Port.MANAGEMENT in ports]


class Served:
    """A broker with a worker of few threads and connections, and a port for operators."""

    def __init__(
        self, directory: Path, emulator: EmulatorServer, redis: RedisServer, **settings: str
    ) -> None:
        self.management = free_port()
        chosen = {
            "BROKER_REDIS_PREFIX": directory.name,
            "BROKER_WORKERS": "1",
            "BROKER_THREADS": str(THREADS),
            "BROKER_MANAGEMENT_BIND": f"127.0.0.1:{self.management}",
            **settings,
        }
        self.fleet = Deployment(directory, emulator, redis.url, brokers=1, settings=chosen)
        (self.broker,) = self.fleet.brokers
        self.broker.command = (sys.executable, "-c", SMALL, "serve")

    def ask(
        self, port: int, path: str, *, method: str = "GET", tls: ssl.SSLContext | None = None
    ) -> Answer:
        """Ask once, on a connection of its own, as the caller."""
        with Wire(port, tls) as wire:
            return wire.send(self.request(path, method)).answer()

    def request(self, path: str, method: str = "GET") -> bytes:
        """Return a request as the caller sends it."""
        head = f"{method} {path} HTTP/1.1\r\nHost: b\r\nX-Request-ID: one"
        return f"{head}\r\nAuthorization: Bearer {self.fleet.key}\r\n\r\n".encode()

    def is_stuck(self, port: int) -> bool:
        """Tell whether nobody is answered."""
        with Wire(port, limit=0.5) as wire:
            try:
                return wire.send(self.request("/health/live")).answer().status != 200
            except TimeoutError:
                return True


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, valkey: RedisServer) -> Iterator[Served]:
    """Start one."""
    directory = tmp_path_factory.mktemp("management")
    with EmulatorServer(Canvas({CONSUMER: SECRET_KEY}, names={CONSUMER: "acme"})) as emulator:
        served = Served(directory, emulator, valkey)
        with served.fleet:
            served.fleet.wait_for_token()
            yield served


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Close at the end what was opened."""
    with ExitStack() as stack:
        yield stack


def fill(port: int, number: int, stack: ExitStack) -> None:
    """Open connections, each of which sends half a head and no more."""
    for _ in range(number):
        stack.enter_context(Wire(port)).send(HALF)


@pytest.mark.parametrize("path", PORTS)
def test_each_path_has_its_ports(served: Served, path: str) -> None:
    """On any other it is what an unknown one is: the same answer, whatever the method."""
    ports = {Port.CALLERS: served.broker.port, Port.MANAGEMENT: served.management}
    for port, number in ports.items():
        answer = served.ask(number, path)
        if port in PORTS[path]:
            assert answer.status == 200
            continue
        for method in ("GET", "POST", "DELETE"):
            answers = [served.ask(number, each, method=method) for each in (path, "/nowhere")]
            told = [
                (a.status, a.content, [h for h in a.headers.items() if h[0] != "Date"])
                for a in answers
            ]
            assert told[0] == told[1]
            assert told[0][0] == 404


def test_callers_that_take_all_there_is(served: Served, stack: ExitStack) -> None:
    """All threads, all connections, and the queue before them: operators do not notice."""
    fill(served.broker.port, CONNECTIONS * 2, stack)
    assert served.is_stuck(served.broker.port)
    for path in OPERATORS:
        assert served.ask(served.management, path).status == 200
    assert served.is_stuck(served.broker.port)
    stack.close()
    served.fleet.wait_for_token()


def test_operators_that_take_all_there_is(served: Served, stack: ExitStack) -> None:
    """Callers do not notice."""
    fill(served.management, 100, stack)
    assert served.is_stuck(served.management)
    for path in ("/token", "/token?min_ttl=1", "/health/live", "/health/ready"):
        assert served.ask(served.broker.port, path).status == 200
    assert served.is_stuck(served.management)
    stack.close()
    until_served(served, served.management)


def until_served(served: Served, port: int) -> None:
    """Wait until somebody is answered."""
    for _ in range(100):
        if not served.is_stuck(port):
            return
    raise AssertionError(served.broker.log())


def test_the_limits_of_a_request_hold_on_both_ports(served: Served) -> None:
    """And what is not HTTP is answered in the product's way."""
    for port in (served.broker.port, served.management):
        assert served.ask(port, "/health/live?" + "x" * 3000).status == 414
        for sent, status in ((b"no HTTP\r\n\r\n", 400), (b"GET /token HTTP/1.1\r\n\r\n", 400)):
            with Wire(port) as wire:
                answer = wire.send(sent).answer()
                assert (answer.status, answer.body["error"]) == (status, "invalid_request")


def test_what_is_refused_on_the_management_port_is_not_audited(served: Served) -> None:
    """There are no tokens."""
    with Wire(served.management) as wire:
        wire.send(b"GET /token HTTP/1.1\r\nX-Request-ID: unheard\r\n\r\n").answer()
    with Wire(served.broker.port) as wire:
        wire.send(b"GET /token HTTP/1.1\r\nX-Request-ID: heard\r\n\r\n").answer()
    served.broker.wait_for_log('"request_id":"heard"')
    assert '"request_id":"unheard"' not in served.broker.log()


def test_both_ports_drain(
    tmp_path: Path, emulator: EmulatorServer, valkey: RedisServer, stack: ExitStack
) -> None:
    """Kept and new connections are answered, told to go, and refused at the end."""
    served = Served(tmp_path, emulator, valkey, BROKER_DRAIN_TIME="3")
    ports = served.broker.port, served.management
    with served.fleet, ThreadPoolExecutor(1) as stopping:
        served.fleet.wait_for_token()
        kept = [stack.enter_context(Wire(port)) for port in ports for _ in range(2)]
        for wire in kept:
            answer = wire.send(served.request("/health/live")).answer()
            assert answer.headers["Connection"] != "close"
        ends = stopping.submit(served.broker.terminate)
        wait_for_drain(served.broker)
        for wire in (kept[0], kept[2], *(stack.enter_context(Wire(port)) for port in ports)):
            answer = wire.send(served.request("/health/ready")).answer()
            assert (answer.status, answer.headers["Connection"]) == (200, "close")
        assert ends.result(REQUEST_LIMIT + PATIENCE) == 0
        assert kept[1].is_closed()
        assert kept[3].is_closed()
        for port in ports:
            with pytest.raises(ConnectionRefusedError):
                Wire(port)


def test_sockets_are_ports_as_well(
    tmp_path: Path, emulator: EmulatorServer, valkey: RedisServer
) -> None:
    """Each belongs to the setting that names it."""
    paths = [tmp_path / name for name in ("callers.sock", "operators.sock")]
    served = Served(tmp_path, emulator, valkey, BROKER_MANAGEMENT_BIND=f"unix:{paths[1]}")
    served.broker.listen_at(f"127.0.0.1:{served.broker.port},unix:{paths[0]}")
    with served.fleet:
        served.fleet.wait_for_token()
        for path, answers in ((paths[0], (200, 404)), (paths[1], (404, 200))):
            for name, status in zip(("/token", "/metrics"), answers, strict=True):
                with Wire(path) as wire:
                    assert wire.send(served.request(name)).answer().status == status


@pytest.mark.parametrize("tls", ["same", "off"])
def test_tls(tmp_path: Path, emulator: EmulatorServer, valkey: RedisServer, tls: str) -> None:
    """The same certificates, client's included, or plain HTTP beside callers with TLS."""
    authority = Authority(tmp_path, "ours")
    pair, caller = authority.server(LOOPBACK), authority.server(x509.DNSName("caller.example"))
    settings = {
        "BROKER_TLS_CERT_FILE": str(pair.certificate),
        "BROKER_TLS_KEY_FILE": str(pair.key),
        "BROKER_TLS_CLIENT_CA_FILE": str(authority.file),
        "BROKER_HSTS_MAX_AGE": "60",
        "BROKER_MANAGEMENT_TLS": tls,
    }
    served = Served(tmp_path, emulator, valkey, **settings)
    stranger = ssl.create_default_context(cafile=authority.file)
    client = ssl.create_default_context(cafile=authority.file)
    client.load_cert_chain(caller.certificate, caller.key)
    with served.fleet:
        served.broker.wait_for_log("token.refreshed")
        answer = served.ask(served.broker.port, "/health/live", tls=client)
        assert "Strict-Transport-Security" in answer.headers
        plain = tls == "off"
        answer = served.ask(served.management, "/health", tls=None if plain else client)
        assert answer.body["serviceId"] == "canvas-token-broker"
        assert ("Strict-Transport-Security" in answer.headers) != plain
        if not plain:
            with pytest.raises(OSError, match=r"(?i)certificate|reset|EOF|closed"):
                served.ask(served.management, "/health", tls=stranger)
