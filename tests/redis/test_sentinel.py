"""Three sentinels, a primary and a replica: the primary dies, also with writes unreplicated."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.emulator.server import EmulatorServer
from broker.errors import StoreUnavailableError
from broker.ports import GrantStatus, RecordStore, Slot
from tests.integration.deployment import Deployment
from tests.redis.brokers import SHORT, assert_unnoticed, refresh, wait_for_record
from tests.redis.nodes import WORST, Node, commit, open_store, record, wait_until
from tests.redis.sentinels import Watched, watched

pytestmark = [pytest.mark.sockets, pytest.mark.slow]


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Watched]:
    """Start all five."""
    with watched(tmp_path / "servers") as started:
        yield started


def cut_replication(servers: Watched) -> None:
    """Let the primary's further writes reach nobody; the sentinels notice nothing."""
    wait_until(servers.in_sync)
    servers.primary.ask("ACL", "SETUSER", "default", "-psync")
    servers.primary.ask("CLIENT", "KILL", "TYPE", "replica")


def test_store_through_hang_death_and_demotion(servers: Watched) -> None:
    """Each operation keeps its limit, whoever hangs, and the new primary is found."""
    store = open_store(servers.url)
    generation = commit(store)
    wait_until(servers.in_sync)
    wait_until(servers.settled)
    servers.primary.hang()
    assert not reads(store, generation)
    servers.wait_for_failover()
    wait_until(lambda: reads(store, generation))
    servers.primary.resume()
    wait_until(lambda: servers.primary.role() == "slave")
    assert store.read(0).foreign
    grant = store.acquire("later", generation, Slot.OWN)
    assert grant.status is GrantStatus.HELD
    store.republish(store.read(0).record or record())
    assert (store.read(0).foreign, store.read(0).presented) == (False, True)
    # Last, for a sentinel that has hung for two seconds starts no failover for thirty (TILT).
    for sentinel in servers.sentinels[:2]:
        sentinel.hang()
    fresh = open_store(servers.url)
    wait_until(lambda: reads(fresh, generation))
    for sentinel in servers.sentinels[:2]:
        sentinel.resume()


def reads(store: RecordStore, generation: int) -> bool:
    """Tell whether the record is read, after checking how long that took."""
    began = time.monotonic()
    try:
        return store.read(0).generation == generation
    except StoreUnavailableError:
        return False
    finally:
        assert time.monotonic() - began < WORST


def marked(node: Node) -> bool:
    """Tell whether the one record on a node says that its refresh token was presented."""
    with node.client() as client:
        (key,) = client.scan_iter("*:record")
        return bool(client.hexists(key, "presented"))


def test_primary_killed_under_load(
    tmp_path: Path, emulator: EmulatorServer, servers: Watched
) -> None:
    """No caller notices, the record is back on the new primary, and later refreshes work."""
    with Deployment(tmp_path, emulator, servers.url, settings=SHORT) as deployment:
        generation = deployment.wait_for_token().body["generation"]
        wait_until(servers.in_sync)
        with deployment.hammering() as replies:
            time.sleep(0.5)
            servers.primary.stop()
            servers.wait_for_failover()
            wait_for_record(servers.replica, generation)
            time.sleep(1)
        assert_unnoticed(replies)
        assert {reply.body["generation"] for reply in replies} == {generation}
        assert deployment.calls() == {"authenticate": 1, "refresh": 0}
        generation = refresh(deployment, generation)
        assert deployment.calls() == {"authenticate": 2, "refresh": 0}
        time.sleep(0.2)
        refresh(deployment, generation)
        assert deployment.calls() == {"authenticate": 2, "refresh": 1}
        assert emulator.stats()["presented_twice"] == 0


def test_burn_mark_lost_with_the_primary(
    tmp_path: Path, emulator: EmulatorServer, servers: Watched
) -> None:
    """Mark and worker of a refresh are both gone: the refresh token is not presented again."""
    with Deployment(tmp_path, emulator, servers.url, settings=SHORT) as deployment:
        generation = deployment.wait_for_token().body["generation"]
        time.sleep(0.2)
        cut_replication(servers)
        emulator.fault(hold="after", calls="refresh")
        deployment.token(rejected=generation)
        emulator.wait_held()
        _, worker = deployment.suspend_holder()
        os.kill(worker, signal.SIGKILL)
        emulator.release()
        assert (marked(servers.primary), marked(servers.replica)) == (True, False)
        servers.primary.stop()
        servers.wait_for_failover()
        refresh(deployment, generation)
        assert deployment.calls() == {"authenticate": 2, "refresh": 1}
        assert emulator.stats()["presented_twice"] == 0
