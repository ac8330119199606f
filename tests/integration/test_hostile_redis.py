"""Somebody writes to Redis beside real brokers: callers notice nothing, operators do."""

import http.client
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from broker.emulator.server import EmulatorServer
from tests.integration.deployment import BrokerProcess, Deployment
from tests.redis.nodes import wait_until
from tests.servers import RedisServer

pytestmark = pytest.mark.sockets

PREFIX = "hostile"
HUGE = 2**53 - 1
Keys = dict[str, str]


def retype(client: "redis.Redis", keys: Keys) -> None:
    """Put a long string in the place of the record."""
    client.delete(keys["record"])
    client.set(keys["record"], "x" * 90_000_000)


WRITES: tuple[Callable[["redis.Redis", Keys], object], ...] = (
    lambda client, keys: client.hset(keys["lease"], "attempt", "nobody"),
    lambda client, keys: client.hset(keys["record"], "generation", str(HUGE)),
    lambda client, keys: client.hset(keys["record"], "sealed", b"x" * 90_000_000),
    lambda client, keys: client.hset(keys["backoff"], "failure", "x" * 20_000_000),
    retype,
)


def test_callers_notice_nothing(
    tmp_path: Path, emulator: EmulatorServer, valkey: RedisServer
) -> None:
    """A report, a lease, a generation, a record, a failure, a type: removed, and told.

    The writer tells of a change each time, so that workers look at once instead of within 30 s.
    """
    settings = {"BROKER_REDIS_PREFIX": PREFIX}
    with Deployment(tmp_path, emulator, valkey.url, settings=settings) as deployment:
        token = deployment.wait_for_token().body["access_token"]
        with valkey.client() as client, deployment.hammering() as replies:
            (key,) = client.scan_iter(f"{PREFIX}:*:record")
            stem = str(key, "ascii").removesuffix("record")
            name = stem.split(":")[-2]
            keys = {part: stem + part for part in ("record", "lease", "backoff", "report")}
            client.hset(keys["report"], "a", "b")  # that alone no look would read
            for write in WRITES:
                write(client, keys)
                client.publish(f"{PREFIX}:changes", f"acme {name} 0")
                wait_until(lambda: is_well(client, keys))
        assert {reply.status for reply in replies} == {200}
        assert {reply.body["access_token"] for reply in replies} == {token}
        assert deployment.calls() == {"authenticate": 1, "refresh": 0}
        healths = [str(broker.get("/health").body) for broker in deployment.brokers]
        assert max(map(len, healths)) < 20_000
        assert "no broker writes" in "".join(healths)
        counted = "".join(map(metrics, deployment.brokers))
        for part in keys:
            series = f'broker_store_damage_total{{organization="acme",part="{part}"}} '
            assert any(f"{series}{digit}" in counted for digit in range(1, 10)), part
        for broker in deployment.brokers:
            broker.terminate()  # what waits to be logged is written
        assert "store.damaged" in "".join(broker.log() for broker in deployment.brokers)


def is_well(client: "redis.Redis", keys: Keys) -> bool:
    """Tell whether all that lies there may have been written by a broker."""
    found: Any = client
    types = [found.type(keys[part]) for part in ("record", "report")]
    ends = [found.pttl(key) for key in keys.values()]
    if types[0] != b"hash" or types[1] == b"hash" or -1 in ends or found.exists(keys["backoff"]):
        return False
    long = found.hstrlen(keys["record"], "sealed") > 2**16
    generation = found.hget(keys["record"], "generation") or HUGE  # removed since its type was read
    return not long and int(generation) < HUGE


def metrics(broker: BrokerProcess) -> str:
    """Return what it tells Prometheus."""
    connection = http.client.HTTPConnection("127.0.0.1", broker.port, timeout=10)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()
