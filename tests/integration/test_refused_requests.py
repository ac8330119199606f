"""Health says what callers of real workers meet while somebody else holds the lease."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from broker.clock import SystemClock
from broker.credentials import Credentials
from broker.emulator.server import EmulatorServer
from broker.limits import Limits
from broker.ports import GrantStatus, Slot
from broker.secret import Secret
from broker.store.breaker import Breaker
from broker.store.connect import connect
from broker.store.redis_store import RedisRecordStore
from broker.store.redis_stores import RedisRecordStores
from broker.store.scripts import Scripts
from tests.integration.deployment import CONSUMER, SECRET_KEY, Deployment, Reply
from tests.servers import RedisServer

pytestmark = [pytest.mark.sockets, pytest.mark.slow]

LIMITS = Limits()
A_WHILE = 1.0


def record_store(valkey: RedisServer, emulator: EmulatorServer, prefix: str) -> RedisRecordStore:
    """Return the record store of the one organization, as another process has it."""
    client = connect(valkey.url, LIMITS)
    scripts = Scripts(client, Breaker(SystemClock(), A_WHILE), together=client.together)
    keys = Credentials(Secret(CONSUMER), Secret(SECRET_KEY))
    return RedisRecordStores(scripts, LIMITS, prefix, emulator.url).open("acme", keys)


@contextmanager
def held(valkey: RedisServer, store: RedisRecordStore) -> Iterator[threading.Event]:
    """Hold the lease for longer than one lives, as whoever writes to Redis can; until it is set."""
    assert store.acquire("elsewhere", 0, Slot.NONE).status is GrantStatus.GRANTED
    over, client, lease = threading.Event(), valkey.client(), store.keys[1]

    def prolong() -> None:
        while not over.wait(A_WHILE):
            client.pexpire(lease, int(LIMITS.lease * 1000))
        client.delete(lease)

    thread = threading.Thread(target=prolong)
    thread.start()
    try:
        yield over
    finally:
        over.set()
        thread.join()


def acme(reply: Reply) -> dict[str, Any]:
    """Return the check of the one organization."""
    found: dict[str, Any] = reply.body["checks"]["organization:token"][0]
    return found


def test_a_lease_that_others_hold(
    tmp_path: Path, emulator: EmulatorServer, valkey: RedisServer
) -> None:
    """Idle passes; once requests are refused, health says so and the log why, until it is over."""
    prefix = tmp_path.name
    store = record_store(valkey, emulator, prefix)
    settings = {"BROKER_REDIS_PREFIX": prefix}
    fleet = Deployment(tmp_path, emulator, valkey.url, brokers=1, settings=settings)
    (broker,) = fleet.brokers
    with held(valkey, store) as over, fleet:
        broker.wait_for("/health/ready", lambda reply: reply.status == 200)
        assert acme(broker.get("/health"))["status"] == "pass"
        refused = fleet.token()
        assert (refused.status, refused.body["error"]) == (503, "temporarily_unavailable")
        told = broker.wait_for("/health", lambda reply: acme(reply)["refusing"])
        assert (told.status, told.body["status"]) == (200, "warn")
        assert acme(told)["output"].startswith("Requests are refused: there is no token")
        broker.wait_for("/token", lambda _: '"lease.held"' in broker.log(), fleet.key)
        assert broker.get("/health/ready").status == 200
        over.set()
        fleet.wait_for_token()
        broker.wait_for("/health", lambda reply: reply.body["status"] == "pass")
