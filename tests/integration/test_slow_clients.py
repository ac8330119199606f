"""Clients that drip, stop, stay silent or do not read: others are served, the threads come back.

The limits are shortened for these tests; that they are what the documentation says, and that a
request that is worked on is not cut, is asserted where the worker is tested by itself.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from broker.emulator.canvas import Canvas
from broker.emulator.server import EmulatorServer
from tests.integration.deployment import CONSUMER, SECRET_KEY, BrokerProcess, Deployment
from tests.integration.wire import Wire
from tests.servers import RedisServer

pytestmark = pytest.mark.sockets

THREADS = 4
MANY = 50
SHORT = 4.0
ALL_CUT = SHORT + 1.0 + MANY / THREADS * 0.4
"""The limit, a look, and a grace for each turn of those that waited for a thread meanwhile."""
PROMPT = 2.5
SHORTENED = f"""
from broker.web import client
client.READ_LIMIT = client.WRITE_LIMIT = {SHORT}
from broker.cli import main
main()
"""
LIVE = b"GET /health/live HTTP/1.1\r\nHost: b\r\n\r\n"
LONG = b"GET /openapi.json HTTP/1.1\r\nHost: b\r\n\r\n"
"""Its answer fills a socket's buffer after few requests, before the first thread is given back."""
BODY = b"POST /token HTTP/1.1\r\nHost: b\r\nContent-Length: 1000\r\n\r\ngrant"


@pytest.fixture(scope="module")
def broker(
    tmp_path_factory: pytest.TempPathFactory, valkey: RedisServer
) -> Iterator[BrokerProcess]:
    """Start one worker with few threads."""
    settings = {
        "BROKER_REDIS_PREFIX": "slow",
        "BROKER_WORKERS": "1",
        "BROKER_THREADS": str(THREADS),
    }
    directory: Path = tmp_path_factory.mktemp("slow")
    with EmulatorServer(Canvas({CONSUMER: SECRET_KEY})) as emulator:
        fleet = Deployment(directory, emulator, valkey.url, brokers=1, settings=settings)
        fleet.brokers[0].command = (sys.executable, "-c", SHORTENED, "serve")
        with fleet:
            fleet.wait_for_token()
            yield fleet.brokers[0]


@contextmanager
def connections(broker: BrokerProcess, number: int, sent: bytes) -> Iterator[list[Wire]]:
    """Open connections that each send the same and then go slow."""
    with ExitStack() as stack:
        yield [stack.enter_context(Wire(broker.port)).send(sent) for _ in range(number)]


def seconds_until_served(broker: BrokerProcess) -> float:
    """Ask on a new connection; return how long the answer took."""
    began = time.monotonic()
    with Wire(broker.port, limit=30) as wire:
        assert wire.send(LIVE).answer().status == 200
    return time.monotonic() - began


def assert_threads_are_free(broker: BrokerProcess) -> None:
    """Check that more clients than threads are served at once."""
    with connections(broker, THREADS * 3, LIVE) as wires:
        assert [wire.answer().status for wire in wires] == [200] * len(wires)
    assert seconds_until_served(broker) < PROMPT


@pytest.mark.parametrize(
    "sent", [b"G", b"GET /token HTTP/1.1\r\nX-Slow: ", BODY], ids=["line", "header", "body"]
)
def test_requests_that_drip(broker: BrokerProcess, sent: bytes) -> None:
    """Each byte on time does not help: the whole request has one limit."""
    with connections(broker, MANY, sent) as wires:
        began = time.monotonic()
        with Wire(broker.port, limit=30) as other:
            other.send(LIVE)
            other.socket.settimeout(0.2)
            while True:
                for wire in wires:
                    with suppress(OSError):
                        wire.send(b"x")
                with suppress(TimeoutError):
                    if other.socket.recv(1):
                        break
        assert time.monotonic() - began < ALL_CUT
        assert all(wire.is_closed() for wire in wires)
    assert_threads_are_free(broker)
    assert '"error": "TooSlow"' in broker.log()


def is_full(wire: Wire) -> bool:
    """Send requests; tell whether the broker takes no more of them."""
    try:
        wire.socket.send(LONG * 1000)
    except TimeoutError:
        return True
    except OSError:
        return True  # it was cut already
    return False


def test_answers_that_nobody_reads(broker: BrokerProcess) -> None:
    """Clients that ask on and on and read nothing are cut; they hold no thread meanwhile."""
    with ExitStack() as stack:
        wires = [
            stack.enter_context(Wire(broker.port, limit=0.1, buffer=4096))
            for _ in range(THREADS + 1)
        ]
        until = time.monotonic() + 30
        while sum(map(is_full, wires)) < len(wires):
            assert time.monotonic() < until
        assert seconds_until_served(broker) < ALL_CUT
        assert_threads_are_free(broker)


def test_silence(broker: BrokerProcess) -> None:
    """Connections that never send a byte cost no thread, also after an answer."""
    with connections(broker, MANY, b"") as silent, connections(broker, MANY, LIVE) as idle:
        assert [wire.answer().status for wire in idle] == [200] * MANY
        assert_threads_are_free(broker)
        assert silent[0].send(LIVE).answer().status == 200
        assert idle[0].send(LIVE).answer().status == 200


def test_clients_that_do_not_close(broker: BrokerProcess) -> None:
    """After the last answer neither a thread nor the main loop waits for the other side."""
    last = LIVE.replace(b"Host: b", b"Host: b\r\nConnection: close")
    with connections(broker, MANY, last) as wires:
        assert [wire.answer().status for wire in wires] == [200] * MANY
        assert_threads_are_free(broker)
        assert all(wire.is_closed() for wire in wires)


def test_no_worker_was_lost(broker: BrokerProcess) -> None:
    """All of the above was one worker's life, without an error in the log."""
    assert len(broker.workers()) == 1
    log = broker.log()
    assert log.count('"arbiter.spawn_worker:') == 1
    assert '"level": "ERROR"' not in log
    assert '"calls"' not in log


def test_a_stop_does_not_wait_for_silent_connections(
    tmp_path: Path, valkey: RedisServer, emulator: EmulatorServer
) -> None:
    """Nothing is owed to them."""
    settings = {"BROKER_REDIS_PREFIX": "silent-stop", "BROKER_GRACEFUL_TIMEOUT": "25"}
    with Deployment(tmp_path, emulator, valkey.url, brokers=1, settings=settings) as fleet:
        fleet.wait_for_token()
        with connections(fleet.brokers[0], 4, b""):
            began = time.monotonic()
            assert fleet.brokers[0].terminate() == 0
            assert time.monotonic() - began < 10
