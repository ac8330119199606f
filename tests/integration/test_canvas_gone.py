"""Canvas failing or refusing, seen by callers through a real broker."""

import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from broker.emulator.server import EmulatorServer
from tests.integration.deployment import CONSUMER, SECRET_KEY, Deployment, Reply
from tests.servers import RedisServer

pytestmark = pytest.mark.sockets

OLD_ENOUGH = 0.2


def test_failing_from_the_start(
    tmp_path: Path, emulator: EmulatorServer, valkey: RedisServer
) -> None:
    """503 ``temporarily_unavailable`` while Canvas fails; a token soon after it works again."""
    emulator.fault(status=500, times=None)
    with Deployment(
        tmp_path, emulator, valkey.url, brokers=1, settings={"BROKER_REDIS_PREFIX": "failing"}
    ) as deployment:
        broker = deployment.brokers[0]
        broker.wait_for("/health", lambda reply: reply.status == 503)
        reply = deployment.token()
        assert (reply.status, reply.body["error"]) == (503, "temporarily_unavailable")
        assert 1 <= int(reply.headers["Retry-After"]) <= 60
        emulator.reset()
        deployment.wait_for_token()


def test_keys_refused_and_replaced(
    tmp_path: Path, emulator: EmulatorServer, valkey: RedisServer
) -> None:
    """503 ``credentials_rejected``, one call for the whole fleet, lifted by the right keys."""
    deployment = Deployment(
        tmp_path, emulator, valkey.url, settings={"BROKER_REDIS_PREFIX": "refused"}
    )
    deployment.write_credentials(CONSUMER, str(uuid.uuid4()))
    with deployment:
        for broker in deployment.brokers:
            refused = broker.wait_for(
                "/token",
                lambda reply: reply.status == 503 and reply.body["error"] == "credentials_rejected",
                deployment.key,
            )
            assert int(refused.headers["Retry-After"]) >= 1
        assert deployment.calls() == {"authenticate": 1, "refresh": 0}
        deployment.write_credentials(CONSUMER, SECRET_KEY)
        deployment.wait_for_token()
        assert deployment.calls() == {"authenticate": 2, "refresh": 0}


def test_passing_refusal(tmp_path: Path, emulator: EmulatorServer, valkey: RedisServer) -> None:
    """One 401 to the right keys costs the first step of the latch, here cut short by a setting."""
    emulator.fault(status=401, times=1)
    settings = {"BROKER_REDIS_PREFIX": "passing", "BROKER_LATCH": "2"}
    with Deployment(tmp_path, emulator, valkey.url, settings=settings) as deployment:
        deployment.wait_for_token()
        assert deployment.calls() == {"authenticate": 2, "refresh": 0}


def test_refused_keys_are_written_anew(
    tmp_path: Path, emulator: EmulatorServer, valkey: RedisServer
) -> None:
    """Files with the same content have the keys tried at once: one call for the whole fleet."""
    emulator.fault(status=401, times=2)
    settings = {"BROKER_REDIS_PREFIX": "anew"}
    with Deployment(tmp_path, emulator, valkey.url, settings=settings) as deployment:
        for broker in deployment.brokers:
            broker.wait_for(
                "/token",
                lambda reply: reply.status == 503 and reply.body["error"] == "credentials_rejected",
                deployment.key,
            )
        touch(deployment)
        broker = deployment.brokers[0]
        refused = broker.wait_for("/health", lambda reply: acme_of(reply)["failures"] == 2)
        assert acme_of(refused)["next_attempt_in"] > 60
        assert "write their files anew" in acme_of(refused)["output"]
        touch(deployment)
        deployment.wait_for_token()
        assert deployment.calls() == {"authenticate": 3, "refresh": 0}


def touch(deployment: Deployment) -> None:
    """Write one of the files anew, as it is."""
    file = deployment.credentials / "acme" / "consumer"
    file.write_text(file.read_text())


def acme_of(health: Reply) -> dict[str, Any]:
    """Return the check of the one organization."""
    found: dict[str, Any] = health.body["checks"]["organization:token"][0]
    return found


def test_revoked_token_is_replaced_once(
    tmp_path: Path, emulator: EmulatorServer, valkey: RedisServer
) -> None:
    """Callers who got a 401 from Canvas report the generation; one refresh serves them all."""
    with Deployment(
        tmp_path,
        emulator,
        valkey.url,
        settings={"BROKER_REDIS_PREFIX": "revoked", "BROKER_REPORT_MIN_AGE": "0.1"},
    ) as deployment:
        old = deployment.wait_for_token().body
        emulator.revoke(old["access_token"])
        assert not deployment.is_alive(old["access_token"])
        time.sleep(OLD_ENOUGH)
        new = deployment.token(rejected=old["generation"]).body
        for broker in deployment.brokers * 5:
            reply = broker.get("/token", deployment.key, rejected=old["generation"])
            assert reply.body["generation"] == new["generation"]
        assert new["generation"] > old["generation"]
        assert deployment.is_alive(new["access_token"])
        assert deployment.calls() == {"authenticate": 1, "refresh": 1}
