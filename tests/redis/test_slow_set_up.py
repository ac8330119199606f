"""Connections whose login takes two seconds, to a Redis that answers at once when they stand.

No operation waits so long; the set-up goes on in the background all the same, for every kind of
client, so that a worker on a busy host reaches Redis, and its pod gets ready.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from broker.emulator.canvas import Canvas
from broker.emulator.server import EmulatorServer
from broker.errors import StoreUnavailableError
from tests.integration.deployment import CONSUMER, SECRET_KEY, Deployment
from tests.redis.certificates import LOOPBACK, Authority
from tests.redis.clusters import SLOTS, node
from tests.redis.far import far_away
from tests.redis.nodes import LIMITS, WORST, Node, commit, open_store, redis_with_tls, wait_until
from tests.redis.sentinels import SERVICE, SentinelNode
from tests.redis.test_far import PASSWORD, Locked
from tests.servers import free_port, valkey_binary

pytestmark = pytest.mark.sockets

SET_UP = 2.0
SENTINEL_SET_UP = 1.0
assert LIMITS.redis_worst < SET_UP
assert LIMITS.redis_timeout < SENTINEL_SET_UP


class Start:
    """Starts one server of a kind, behind a slow way; each method returns the URL."""

    def __init__(self, directory: Path, running: ExitStack) -> None:
        self._directory = directory
        self._running = running

    def single(self) -> str:
        """Start a server that wants a password."""
        return f"redis://:{PASSWORD}@127.0.0.1:{self._slow(self._server().port)}/0"

    def tls(self) -> str:
        """Start one that speaks TLS as well."""
        authority, port = Authority(self._directory, "right"), free_port()
        pair = authority.server(LOOPBACK)
        options = ["--tls-port", str(port), "--tls-auth-clients", "no", "--requirepass", PASSWORD]
        options += ["--tls-cert-file", str(pair.certificate), "--tls-key-file", str(pair.key)]
        options += ["--tls-ca-cert-file", str(authority.file)]
        server = Locked(redis_with_tls(), self._directory / "server", *options)
        self._running.enter_context(server)
        ca = f"ssl_ca_certs={authority.file}"
        return f"rediss://:{PASSWORD}@127.0.0.1:{self._slow(port)}/0?{ca}"

    def sentinel(self) -> str:
        """Start a primary and the sentinel that watches it; both are slow to begin."""
        sentinel = SentinelNode(valkey_binary(), self._directory / "sentinel")
        primary: Any = _At(self._slow(self._server().port))
        sentinel.options = (f"sentinel auth-pass {SERVICE} {PASSWORD}",)
        sentinel.watch(primary)
        self._running.enter_context(sentinel)
        wait_until(lambda: sentinel.ask("SENTINEL", "MASTER", SERVICE)[b"flags"] == b"master")
        near = self._slow(sentinel.port, SENTINEL_SET_UP)
        return f"redis+sentinel://:{PASSWORD}@127.0.0.1:{near}/{SERVICE}"

    def cluster(self) -> str:
        """Start a cluster of one node."""
        one = node(self._directory / "node")
        self._running.enter_context(one)
        near = self._slow(one.port)
        one.ask("CONFIG", "SET", "cluster-announce-ip", "127.0.0.1")
        one.ask("CONFIG", "SET", "cluster-announce-port", near)
        one.ask("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS - 1)
        wait_until(lambda: b"cluster_state:ok" in one.ask("CLUSTER", "INFO"))
        one.ask("CONFIG", "SET", "requirepass", PASSWORD)
        return f"redis+cluster://:{PASSWORD}@127.0.0.1:{near}"

    def _server(self) -> Node:
        options = ("--requirepass", PASSWORD)
        server = Locked(valkey_binary(), self._directory / "server", *options)
        return self._running.enter_context(server)

    def _slow(self, port: int, set_up: float = SET_UP) -> int:
        return self._running.enter_context(far_away(port, 0.0, set_up))


class _At:
    """Where a sentinel is to look for its primary."""

    def __init__(self, port: int) -> None:
        self.port = port


KINDS: dict[str, Callable[[Start], str]] = {
    "single": Start.single,
    "TLS": Start.tls,
    "sentinel": Start.sentinel,
    "cluster": Start.cluster,
}


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Start a server of each kind."""
    with ExitStack() as running:
        yield KINDS[request.param](Start(tmp_path, running))


def test_it_stands_at_last(url: str) -> None:
    """No operation waits longer than it may; some fail, and one finds the connection."""
    store, failed = open_store(url), 0

    def is_read() -> bool:
        nonlocal failed
        began = time.monotonic()
        try:
            store.read(0)
        except StoreUnavailableError:
            failed += 1
            return False
        finally:
            assert time.monotonic() - began < WORST
        return True

    wait_until(is_read)
    assert failed
    generation = commit(store)
    assert store.read(0).generation == generation


def test_a_pod_gets_ready(tmp_path: Path, url: str) -> None:
    """With real workers, and nobody asking for anything."""
    canvas = Canvas({CONSUMER: SECRET_KEY}, names={CONSUMER: "acme"})
    with (
        EmulatorServer(canvas) as emulator,
        Deployment(tmp_path, emulator, url, brokers=1) as deployment,
    ):
        (broker,) = deployment.brokers
        broker.wait_for("/health/ready", lambda reply: reply.status == 200)
        assert deployment.token().status == 200
