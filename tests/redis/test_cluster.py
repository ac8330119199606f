"""Six nodes: the one that holds an organization dies, hangs, gives its slot away."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import TimeoutError as RedisTimeoutError

from broker.emulator.server import EmulatorServer
from broker.errors import StoreUnavailableError
from broker.ports import RecordStore
from broker.store.connect import connect
from tests.integration.deployment import Deployment
from tests.redis.brokers import SHORT, assert_unnoticed, refresh, wait_for_record
from tests.redis.clusters import Cluster, cluster, complete, known_to, name_of, node
from tests.redis.nodes import LIMITS, WORST, Node, commit, open_store, wait_until

pytestmark = pytest.mark.sockets

KEY = "{acme}"


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[Cluster]:
    """Start all six."""
    with cluster(tmp_path) as started:
        yield started


def reads(store: RecordStore, generation: int) -> bool:
    """Tell whether the record is read, after checking how long that took."""
    began = time.monotonic()
    try:
        return store.read(0).generation == generation
    except StoreUnavailableError:
        return False
    finally:
        assert time.monotonic() - began < WORST


def test_organization_in_one_slot(nodes: Cluster) -> None:
    """All its keys lie on one node, and every script may use them together."""
    store = open_store(nodes.url)
    generation = commit(store)
    store.report(generation)
    owner = nodes.owner(KEY)
    with owner.client() as client:
        held = list(client.scan_iter("test:{acme}:*"))
        assert len(held) >= 1
        assert {client.execute_command("CLUSTER", "KEYSLOT", key) for key in held} == {
            client.execute_command("CLUSTER", "KEYSLOT", KEY)
        }


def test_one_call_that_fails_closes_no_connection(nodes: Cluster) -> None:
    """Where set-ups take their time, the calls that need those would fail in their turn, for ever.

    redis-py closes all of a node when a call there fails or has no connection in time, and when it
    asks a node for the layout.
    """
    client: Any = connect(nodes.url, LIMITS, users=2).client()
    owner = client.get_node_from_key(KEY)
    pool = client.get_redis_connection(owner).connection_pool
    held = [pool.get_connection() for _ in range(pool.max_connections)]
    with pytest.raises(RedisTimeoutError):
        client.get(KEY)
    for one in held:
        pool.release(one)
    for _ in range(6):
        client.nodes_manager.initialize()
    assert all(one.is_connected for one in held)


def test_failover_by_hand_moves_the_slot(nodes: Cluster) -> None:
    """MOVED is followed, and a script that the new owner does not know is sent to it."""
    store = open_store(nodes.url)
    generation = commit(store)
    replica = nodes.replica_of(nodes.owner(KEY))
    replica.ask("SCRIPT", "FLUSH")
    replica.ask("CLUSTER", "FAILOVER")
    wait_until(lambda: replica.role() == "master")
    wait_until(lambda: nodes.owner(KEY) is replica)
    assert reads(store, generation)
    assert store.read(0).foreign


@pytest.mark.slow
def test_hung_nodes_are_bounded(nodes: Cluster) -> None:
    """One node that hangs, and all of them: no operation takes longer than its limit."""
    store = open_store(nodes.url)
    generation = commit(store)
    owner = nodes.owner(KEY)
    owner.hang()
    assert not reads(store, generation)
    replica = nodes.replica_of(owner)
    wait_until(lambda: replica.role() == "master")
    wait_until(lambda: reads(store, generation))
    for one in nodes.nodes:
        one.hang()
    for _ in range(3):
        assert not reads(store, generation)
        assert not reads(open_store(nodes.url), generation)
    for one in nodes.nodes:
        one.resume()
    wait_until(lambda: reads(store, generation))


def test_slot_on_its_way_to_a_newcomer(nodes: Cluster, tmp_path: Path) -> None:
    """ASK to a node that no layout names is no crash; the store is back with the hand-over.

    Until then Redis runs no script on the newcomer unless all its keys exist.
    """
    store = open_store(nodes.url)
    generation = commit(store)
    with node(tmp_path / "newcomer") as newcomer:
        nodes.invite(newcomer)
        wait_until(lambda: all(len(known_to(one)) == 7 for one in [*nodes.nodes, newcomer]))
        wait_until(lambda: complete(newcomer))
        owner = nodes.owner(KEY)
        migrate(owner, newcomer)
        assert not reads(store, generation)
        hand_over(owner, newcomer)
        wait_until(lambda: reads(store, generation))


def hand_over(owner: Node, newcomer: Node) -> None:
    """Make the newcomer the owner of the slot."""
    slot = owner.ask("CLUSTER", "KEYSLOT", KEY)
    for one in (newcomer, owner):
        one.ask("CLUSTER", "SETSLOT", slot, "NODE", name_of(newcomer))


def migrate(owner: Node, newcomer: Node) -> None:
    """Give the organization's keys to another node, with the slot still on its way."""
    slot = owner.ask("CLUSTER", "KEYSLOT", KEY)
    newcomer.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", name_of(owner))
    owner.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", name_of(newcomer))
    for key in owner.ask("CLUSTER", "GETKEYSINSLOT", slot, 10):
        owner.ask("MIGRATE", "127.0.0.1", newcomer.port, key.decode(), 0, 1000)


@pytest.mark.slow
def test_owner_killed_under_load(tmp_path: Path, emulator: EmulatorServer, nodes: Cluster) -> None:
    """No caller notices, the record is back on the new owner, and later refreshes work."""
    folder = tmp_path / "brokers"
    folder.mkdir()
    with Deployment(folder, emulator, nodes.url, settings=SHORT) as deployment:
        generation = deployment.wait_for_token().body["generation"]
        time.sleep(0.5)
        owner = nodes.owner(KEY)
        with deployment.hammering() as replies:
            time.sleep(0.5)
            owner.stop()
            wait_for_record(nodes.replica_of(owner), generation)
            time.sleep(1)
        assert_unnoticed(replies)
        assert deployment.calls() == {"authenticate": 1, "refresh": 0}
        generation = refresh(deployment, generation)
        time.sleep(0.2)
        refresh(deployment, generation)
        assert deployment.calls() == {"authenticate": 2, "refresh": 1}
        assert emulator.stats()["presented_twice"] == 0
