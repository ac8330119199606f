"""The listening sockets outlive the broker: whoever connects while none runs is answered."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from broker.emulator.server import EmulatorServer
from broker.listener.held import KEPT_S
from tests.integration.deployment import (
    REQUEST_LIMIT,
    START_LIMIT,
    BrokerProcess,
    Deployment,
    Reply,
)
from tests.integration.test_drain import wait_for_drain
from tests.integration.wire import Wire
from tests.servers import PATIENCE, RedisServer, free_port

pytestmark = [pytest.mark.sockets, pytest.mark.slow]

WAITING = 6
SETTLED_S = 2.0
CONNECTED = "listener.connected"
PATIENT_S = 60.0
"""Seconds for which sockets are held here, unless a test is about that: no start takes as long."""
HOLD = """
import sys
from broker.listener import held
held.KEPT_S = float(sys.argv.pop())
from broker.listener.__main__ import main
main()
"""


class Listener:
    """``python -m broker.listener``, which holds sockets so long."""

    def __init__(self, path: Path, kept_s: float) -> None:
        self.path = path
        self._kept_s = kept_s
        self.start()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        command = (sys.executable, "-c", HOLD, str(self.path), str(self._kept_s))
        self.path.unlink(missing_ok=True)
        self.process = subprocess.Popen(command)
        until = time.monotonic() + PATIENCE
        while not self.path.exists():
            assert time.monotonic() < until
            time.sleep(0.02)

    def end(self, number: int) -> int:
        """Send it a signal, and wait until it has ended."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@pytest.fixture
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listener]:
    """Start one."""
    listener = Listener(tmp_path / "listener.sock", getattr(request, "param", PATIENT_S))
    yield listener
    listener.end(signal.SIGKILL)


@pytest.fixture
def fleet(
    tmp_path: Path, emulator: EmulatorServer, valkey_of_its_own: RedisServer, listener: Listener
) -> Iterator[Deployment]:
    """Start a broker with a port for operators, whose sockets are held."""
    settings = {
        "BROKER_LISTENER": str(listener.path),
        "BROKER_MANAGEMENT_BIND": f"127.0.0.1:{free_port()}",
        "BROKER_DRAIN_TIME": "3",
    }
    url = valkey_of_its_own.url
    with Deployment(tmp_path, emulator, url, brokers=1, settings=settings) as fleet:
        fleet.brokers[0].patience = START_LIMIT  # who connects while none runs waits for a start
        fleet.wait_for_token()
        wait_for_connections(fleet.brokers[0], 1)
        yield fleet


def wait_for_connections(broker: BrokerProcess, number: int) -> None:
    """Wait until a listener has been given the sockets so often."""
    until = time.monotonic() + PATIENCE
    while broker.log().count(CONNECTED) < number:
        assert time.monotonic() < until, broker.log()
        time.sleep(0.05)


def kill(broker: BrokerProcess) -> float:
    """Kill every process of a broker, as a container ends; return when."""
    broker.kill()
    return time.monotonic()


def assert_only_in_flight(replies: list[Reply], *deaths: float) -> None:
    """Check that whatever failed had begun before a death and ended soon after."""
    failed = [reply for reply in replies if reply.status != 200]
    assert not [reply for reply in failed if reply.body == "ConnectionRefusedError"]
    for reply in failed:
        assert any(reply.began <= death <= reply.ended + 0.5 for death in deaths), reply
    assert len(replies) > 50


def test_two_deaths_under_load(fleet: Deployment) -> None:
    """Only what the dead processes were serving fails."""
    (broker,) = fleet.brokers
    deaths = []
    with fleet.hammering() as replies:
        for death in (1, 2):
            time.sleep(SETTLED_S)
            deaths.append(kill(broker))
            time.sleep(0.5)
            broker.start()
            fleet.wait_for_token()
            wait_for_connections(broker, death + 1)
        fleet.wait_for_token()
        time.sleep(SETTLED_S)
    assert_only_in_flight(replies, *deaths)


def test_who_connects_while_no_broker_runs(fleet: Deployment) -> None:
    """On both ports, each of which is still what it was."""
    (broker,) = fleet.brokers
    kill(broker)
    management = int(broker.environ["BROKER_MANAGEMENT_BIND"].partition(":")[2])
    with ThreadPoolExecutor(WAITING) as callers:
        waiting = [callers.submit(fleet.token) for _ in range(WAITING)]
        with Wire(management, limit=START_LIMIT) as operator:
            operator.send(b"GET /metrics HTTP/1.1\r\nHost: b\r\n\r\n")
            broker.start()
            assert operator.answer().status == 200
        assert [one.result().status for one in waiting] == [200] * WAITING


def test_the_listener_dies_and_comes_back(fleet: Deployment, listener: Listener) -> None:
    """Nobody notices; then the broker may die again."""
    (broker,) = fleet.brokers
    with fleet.hammering() as replies:
        time.sleep(SETTLED_S)
        listener.end(signal.SIGKILL)
        time.sleep(SETTLED_S)
        assert {reply.status for reply in replies} == {200}
        listener.start()
        wait_for_connections(broker, 2)
        assert {reply.status for reply in replies} == {200}
        death = kill(broker)
        broker.start()
        fleet.wait_for_token()
    assert_only_in_flight(replies, death)


@pytest.mark.parametrize("listener", [KEPT_S], indirect=True)
def test_a_broker_that_comes_no_more(fleet: Deployment) -> None:
    """Who waits is reset, who comes is refused; a broker that starts after all opens its own."""
    (broker,) = fleet.brokers
    kill(broker)
    waiting = socket.create_connection(("127.0.0.1", broker.port), timeout=PATIENCE)
    with waiting, pytest.raises(ConnectionResetError):
        waiting.recv(1)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", broker.port), timeout=PATIENCE)
    broker.start()
    fleet.wait_for_token()
    wait_for_connections(broker, 2)


def test_a_stop_of_both(fleet: Deployment, listener: Listener) -> None:
    """As it is without a listener: served during the drain, refused at its end."""
    (broker,) = fleet.brokers
    listener.process.send_signal(signal.SIGTERM)
    with ThreadPoolExecutor(1) as stopping:
        ends = stopping.submit(broker.terminate)
        wait_for_drain(broker)
        assert fleet.token().status == 200
        assert listener.process.poll() is None
        assert ends.result(REQUEST_LIMIT + PATIENCE) == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", broker.port), timeout=PATIENCE)
    assert listener.process.wait(PATIENCE) == 0


def test_a_stop_of_the_broker_alone(fleet: Deployment) -> None:
    """The next one takes over who has connected since."""
    (broker,) = fleet.brokers
    assert broker.terminate() == 0
    with ThreadPoolExecutor(1) as caller:
        waiting = caller.submit(fleet.token)
        broker.start()
        assert waiting.result().status == 200


def test_new_workers_after_a_hangup(fleet: Deployment) -> None:
    """The sockets stay those that are held."""
    (broker,) = fleet.brokers
    kill(broker)
    broker.start()
    fleet.wait_for_token()
    before = set(broker.workers())
    broker.signal(signal.SIGHUP)
    until = time.monotonic() + PATIENCE
    while before & set(broker.workers()):
        assert time.monotonic() < until
        time.sleep(0.1)
    assert fleet.token().status == 200
