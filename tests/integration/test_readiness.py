"""When a pod is ready: real workers, a real Redis, and what a rollout may have wrong about it."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from broker.emulator.server import EmulatorServer
from tests.integration.deployment import BrokerProcess, Deployment
from tests.servers import RedisServer

pytestmark = pytest.mark.sockets

PASSWORD = "right-password"
WORKERS = 2
ENOUGH = 40
"""Connections of which both workers take some."""
SEEN = 4.0
"""Seconds in which a worker has tried Redis several times."""


def allow(server: RedisServer, *rules: str) -> None:
    """Let the user ``broker`` do this at Redis."""
    own = ("reset", "on", f">{PASSWORD}", "~canvas-token-broker:*")
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "broker", *own, *rules)


def probes(broker: BrokerProcess) -> set[int]:
    """Return what enough probes are answered, whichever worker takes them."""
    return {broker.get("/health/ready").status for _ in range(ENOUGH)}


def wait_until_ready(broker: BrokerProcess) -> None:
    """Wait for it; afterwards every worker says so."""
    broker.wait_for("/health/ready", lambda reply: reply.status == 200)
    assert probes(broker) == {200}


def is_never_ready(broker: BrokerProcess) -> bool:
    """Tell whether no probe finds it ready for a while, and it lives."""
    until, found = time.monotonic() + SEEN, set()
    while time.monotonic() < until:
        found |= probes(broker)
    return found == {503} and broker.get("/health/live").status == 200


def test_a_wrong_password(
    tmp_path: Path, emulator: EmulatorServer, valkey_of_its_own: RedisServer
) -> None:
    """Never ready, not even in its first moments; ready soon after it is right."""
    with valkey_of_its_own.client() as client:
        client.config_set("requirepass", PASSWORD)
    url = valkey_of_its_own.url
    file = tmp_path / "password"
    file.write_text("wrong-password")
    settings = {"BROKER_REDIS_PASSWORD_FILE": str(file), "BROKER_RELOAD_INTERVAL": "0.2"}
    with Deployment(tmp_path, emulator, url, brokers=1, settings=settings) as deployment:
        broker = deployment.brokers[0]
        broker.wait_for("/health/live", lambda reply: reply.status == 200)
        assert is_never_ready(broker)
        file.write_text(PASSWORD)
        wait_until_ready(broker)
        assert deployment.token().status == 200


def test_a_user_that_may_only_read(
    tmp_path: Path, emulator: EmulatorServer, valkey_of_its_own: RedisServer
) -> None:
    """It has the fleet's token from Redis, and could not refresh it: the rollout must stop."""
    reading = (
        "+evalsha",
        "+eval",
        "+time",
        "+info",
        "+hget",
        "+hmget",
        "+hstrlen",
        "+type",
        "+pttl",
    )
    writing = ("+hset", "+hsetnx", "+hdel", "+hincrby", "+del", "+set", "+pexpire")
    allow(valkey_of_its_own, *reading, *writing)
    url = valkey_of_its_own.url
    settings = {"BROKER_REDIS_USERNAME": "broker", "BROKER_REDIS_PASSWORD": PASSWORD}
    with Deployment(tmp_path, emulator, url, settings=settings, brokers=0) as deployment:
        old, new = (deployment.add(name) for name in ("old", "new"))
        wait_until_ready(old.start())
        token = old.wait_for("/token", lambda reply: reply.status == 200, deployment.key)
        allow(valkey_of_its_own, *reading)
        new.start().wait_for("/health/live", lambda reply: reply.status == 200)
        assert is_never_ready(new)
        served = new.get("/token", deployment.key)
        assert (served.status, served.body["generation"]) == (200, token.body["generation"])
        allow(valkey_of_its_own, *reading, *writing)
        wait_until_ready(new)


def test_a_worker_that_starts_while_redis_is_away(
    tmp_path: Path, emulator: EmulatorServer, valkey_of_its_own: RedisServer
) -> None:
    """In a pod that was ready no caller meets it before it can serve; then it serves alone."""
    with Deployment(tmp_path, emulator, valkey_of_its_own.url, brokers=1) as deployment:
        broker = deployment.brokers[0]
        wait_until_ready(broker)
        deployment.wait_for_token()
        valkey_of_its_own.stop()
        dead, other = broker.workers()
        os.kill(dead, signal.SIGKILL)
        broker.wait_for("/health", lambda reply: pids(reply.body) == new_pids(broker, dead))
        assert probes(broker) == {200}
        assert {deployment.token().status for _ in range(ENOUGH)} == {200}
        valkey_of_its_own.start()
        broker.wait_for("/health", lambda reply: bool(reply.body["status"] == "pass"))
        os.kill(other, signal.SIGSTOP)
        try:
            wait_until_ready(broker)
            assert deployment.token().status == 200
        finally:
            os.kill(other, signal.SIGCONT)


def test_all_workers_start_anew_while_redis_is_away(
    tmp_path: Path, emulator: EmulatorServer, valkey_of_its_own: RedisServer
) -> None:
    """Nothing is left to serve; they live all the same, and are ready once it is back."""
    with Deployment(tmp_path, emulator, valkey_of_its_own.url, brokers=1) as deployment:
        broker = deployment.brokers[0]
        wait_until_ready(broker)
        valkey_of_its_own.stop()
        for worker in broker.workers():
            os.kill(worker, signal.SIGKILL)
        broker.wait_for("/health/live", lambda reply: reply.status == 200)
        assert is_never_ready(broker)
        valkey_of_its_own.start()
        wait_until_ready(broker)


def pids(health: Any) -> set[int]:
    """Return the workers that a health answer names."""
    named = (one["componentId"] for one in health["checks"]["workers"])
    return {int(one) for one in named if one != "missing"}


def new_pids(broker: BrokerProcess, dead: int) -> set[int]:
    """Return the workers, once there is another in place of the dead one."""
    living = set(broker.workers()) - {dead}
    return living if len(living) == WORKERS else set()
