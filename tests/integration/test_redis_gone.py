"""Redis away for a while, and back with nothing in it."""

import shutil
import time
from pathlib import Path

import pytest

from broker.emulator.server import EmulatorServer
from broker.policy.schedule import IN_USE
from tests.integration.deployment import Deployment, Reply
from tests.servers import SLACK, RedisServer

pytestmark = pytest.mark.sockets

AWAY = 20.0


@pytest.mark.slow
def test_stopped_and_started_empty(
    tmp_path: Path, emulator: EmulatorServer, valkey_of_its_own: RedisServer
) -> None:
    """Callers keep getting the token, quickly; afterwards the same record is back."""
    with Deployment(tmp_path, emulator, valkey_of_its_own.url) as deployment:
        generation = deployment.wait_for_token().body["generation"]
        with deployment.hammering() as replies:
            time.sleep(1)
            valkey_of_its_own.stop()
            time.sleep(AWAY / 2)
            health = deployment.brokers[0].get("/health")
            assert (health.status, health.body["status"]) == (200, "warn")
            assert deployment.brokers[0].get("/health/ready").status == 200
            time.sleep(AWAY / 2)
            valkey_of_its_own.start()
            time.sleep(4)
        assert {reply.status for reply in replies} == {200}
        assert {reply.body["generation"] for reply in replies} == {generation}
        assert max(reply.seconds for reply in replies) < 4.5
        with valkey_of_its_own.client() as client:
            records = list(client.scan_iter("*:record"))
            assert [client.hget(key, "generation") for key in records] == [str(generation).encode()]
        assert deployment.calls() == {"authenticate": 1, "refresh": 0}
        health = deployment.brokers[0].get("/health")
        assert health.body["status"] == "pass"


def test_never_there(tmp_path: Path, emulator: EmulatorServer) -> None:
    """With no Redis and nothing in memory callers get 503 and a time to come back, at once."""
    nowhere = "redis://127.0.0.1:1/0"
    with Deployment(tmp_path, emulator, nowhere, brokers=1) as deployment:
        broker = deployment.brokers[0]
        broker.wait_for("/health/live", lambda reply: reply.status == 200)
        broker.wait_for("/health", lambda reply: reply.status == 503)
        reply = deployment.token()
        assert (reply.status, reply.body["error"]) == (503, "store_unavailable")
        assert int(reply.headers["Retry-After"]) >= 1
        assert reply.seconds < 4.5
        assert broker.get("/health/ready").status == 503
        assert deployment.calls() == {"authenticate": 0, "refresh": 0}


def test_health_names_every_organization(
    tmp_path: Path, emulator: EmulatorServer, valkey_of_its_own: RedisServer
) -> None:
    """One is asked for while it is away; all are kept warm, and none of them can be refreshed."""
    names = {"acme", "globex", "initech"}
    with Deployment(tmp_path, emulator, valkey_of_its_own.url, brokers=0) as deployment:
        for name in names - {"acme"}:
            shutil.copytree(deployment.credentials / "acme", deployment.credentials / name)
        broker = deployment.add("broker").start()
        broker.wait_for("/health", lambda reply: organizations(reply, "token is there") == names)
        time.sleep(IN_USE + SLACK)  # nobody has asked: no look is due before the tokens are stale
        valkey_of_its_own.stop()
        assert deployment.token(organization="globex").status == 200
        # The request may have been served before the feed told of the loss.
        broker.wait_for(
            "/health", lambda reply: organizations(reply, "cannot be refreshed") == names
        )
        health = broker.get("/health")
        assert health.body["checks"]["redis:connection"][0]["output"].count("only") == 0
        valkey_of_its_own.start()
        broker.wait_for("/health", lambda reply: organizations(reply, "token is there") == names)


def organizations(health: Reply, words: str) -> set[str]:
    """Return the organizations of which a health answer says this."""
    if not isinstance(health.body, dict):
        return set()
    entries = health.body["checks"]["organization:token"]
    return {one["componentId"] for one in entries if words in one["output"]}
