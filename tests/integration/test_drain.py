"""The drain after SIGTERM: everybody is answered, and told to connect elsewhere."""

import http.client
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from broker.emulator.server import EmulatorServer
from tests.integration.deployment import REQUEST_LIMIT, BrokerProcess, Deployment
from tests.servers import PATIENCE, RedisServer

pytestmark = pytest.mark.sockets

DRAIN = 8.0
KEPT, PACE = 24, 0.1
PATHS = ("/token", "/token?organization=acme", "/health/live", "/nowhere")
"""Answered in the main loop, by the framework, and as errors."""


class Caller:
    """One kept connection."""

    def __init__(self, broker: BrokerProcess, key: str) -> None:
        self._headers = {"Authorization": f"Bearer {key}"}
        self.connection = http.client.HTTPConnection(
            "127.0.0.1", broker.port, timeout=REQUEST_LIMIT
        )

    def ask(self, path: str) -> bool:
        """Ask, on the connection there is, and read all; tell whether it is kept."""
        self.connection.request("GET", path, headers=self._headers)
        answer = self.connection.getresponse()
        answer.read()
        assert answer.status == (404 if path == "/nowhere" else 200)
        return answer.getheader("Connection") != "close"

    def sees_the_end(self) -> bool:
        """Tell whether the connection is closed in order, which is no reset."""
        assert self.connection.sock is not None
        return self.connection.sock.recv(1) == b""


@pytest.fixture
def deployment(
    tmp_path: Path, emulator: EmulatorServer, valkey_of_its_own: RedisServer
) -> Iterator[Deployment]:
    """Start a broker that drains."""
    settings = {"BROKER_DRAIN_TIME": f"{DRAIN:g}"}
    url = valkey_of_its_own.url
    with Deployment(tmp_path, emulator, url, brokers=1, settings=settings) as deployment:
        deployment.wait_for_token()
        yield deployment


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Close at the end what was opened."""
    with ExitStack() as stack:
        yield stack


def test_every_kept_connection_is_answered(deployment: Deployment, stack: ExitStack) -> None:
    """Those that are idle when the stop begins, whenever they ask, and new ones to the last."""
    (broker,) = deployment.brokers
    callers = [Caller(broker, deployment.key) for _ in range(KEPT)]
    for number, caller in enumerate(callers):
        stack.callback(caller.connection.close)
        assert caller.ask(PATHS[number % len(PATHS)])
    silent = callers.pop()
    with ThreadPoolExecutor(1) as stopping:
        ends = stopping.submit(broker.terminate)
        wait_for_drain(broker)
        for number, caller in enumerate(callers):
            time.sleep(PACE)
            assert not caller.ask(PATHS[number % len(PATHS)])
            new = Caller(broker, deployment.key)
            stack.callback(new.connection.close)
            assert not new.ask(PATHS[number % len(PATHS)])
        assert ends.result(DRAIN + REQUEST_LIMIT + PATIENCE) == 0
    assert silent.sees_the_end()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", broker.port), timeout=5)


def test_who_cannot_wait_says_so_twice(deployment: Deployment) -> None:
    """A second SIGTERM ends the drain."""
    (broker,) = deployment.brokers
    with ThreadPoolExecutor(1) as stopping:
        ends = stopping.submit(broker.terminate)
        wait_for_drain(broker)
        broker.signal(signal.SIGTERM)
        assert ends.result(REQUEST_LIMIT + PATIENCE) == 0


def wait_for_drain(broker: BrokerProcess) -> None:
    """Wait until the broker says that it has begun."""
    until = time.monotonic() + PATIENCE
    while "service.draining" not in broker.log():
        assert time.monotonic() < until, broker.log()
        time.sleep(0.02)
