"""The feed of changes on real servers: heard, forbidden, cut, and across the nodes of a cluster."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from broker.feed import Change
from broker.store.connect import connect
from broker.store.feed import RETRY_DENIED, Subscription
from broker.store_faults import Reason, StoreFault
from tests.redis.clusters import cluster
from tests.redis.nodes import LIMITS, Node, commit, open_store, wait_until
from tests.redis.test_acl import rules
from tests.servers import RedisServer, valkey_binary

pytestmark = pytest.mark.sockets


@dataclass
class Heard:
    """Implements :class:`broker.feed.Listener` by remembering."""

    signs: int = 0
    connections: int = 0
    changes: list[Change] = field(default_factory=list)
    reasons: list[Reason] = field(default_factory=list)

    def connected(self) -> None:
        """Count it."""
        self.connections += 1

    def heard(self, changes: Sequence[Change]) -> None:
        """Keep them."""
        self.signs += 1
        self.changes += changes

    def lost(self, reason: Reason) -> None:
        """Keep why."""
        self.reasons.append(reason)


@contextmanager
def listening(url: str, prefix: str = "test") -> Iterator[Heard]:
    """Subscribe as a worker does; wait for the end of its thread."""
    heard = Heard()
    subscription = Subscription(connect(url, LIMITS), prefix, heard)
    thread = threading.Thread(target=subscription.run)
    thread.start()
    try:
        yield heard
    finally:
        subscription.stop()
        thread.join()


@pytest.fixture(params=["valkey", "redis7"])
def server(request: pytest.FixtureRequest) -> RedisServer:
    """Each server in turn."""
    found: RedisServer = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """Give a server that may be stopped."""
    with Node(valkey_binary(), tmp_path / "node") as started:
        yield started


def test_a_commit_is_heard(server: RedisServer) -> None:
    """Under the name of the record, with its generation; and a sign of life comes without any."""
    store = open_store(server.url, "feed")
    with listening(server.url) as heard:
        wait_until(lambda: heard.connections)
        generation = commit(store)
        wait_until(lambda: heard.changes)
        assert heard.changes == [Change("feed", store.name, generation)]
        signs = heard.signs
        wait_until(lambda: heard.signs >= signs + 2)
    assert (heard.connections, heard.reasons) == (1, [])


def test_nothing_of_others_is_heard(server: RedisServer) -> None:
    """Neither another prefix nor what is no change."""
    with listening(server.url) as heard, server.client() as client:
        wait_until(lambda: heard.connections)
        for channel, message in (
            ("other:changes", "acme 01 1"),
            ("test:changes", "no change"),
            ("test:changes", "acme name -1"),
            ("test:changes", "acme name \N{SUPERSCRIPT TWO}"),
            ("test:changes", b"\xff name 1"),
            ("test:changes", "x" * 100_000),
            ("test:changes", "acme 01 2"),
        ):
            client.publish(channel, message)
        wait_until(lambda: heard.changes)
        assert heard.changes == [Change("acme", "01", 2)]
        assert heard.reasons == []


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        ("resetchannels", StoreFault.CHANNELS),
        ("-publish", StoreFault.PERMISSION),
        ("-subscribe", StoreFault.PERMISSION),
    ],
)
def test_a_user_who_may_not_is_told_once(
    server: RedisServer, rule: str, fault: StoreFault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it tries again."""
    monkeypatch.setattr("broker.store.feed.RETRY_DENIED", RETRY_DENIED / 1000)
    url = server.url.replace("://", "://broker:password@")
    with server.client() as client:
        client.execute_command(*rules()[0], rule)
        tries = client.info("stats")["total_commands_processed"]
        try:
            with listening(url, "canvas-token-broker") as heard:
                wait_until(lambda: heard.reasons)
                wait_until(lambda: client.info("stats")["total_commands_processed"] > tries + 20)
                assert [one.fault for one in heard.reasons[:1]] == [fault]
                assert (len(heard.reasons), heard.connections) == (1, 0)
        finally:
            client.execute_command("ACL", "DELUSER", "broker")
            client.acl_log_reset()


def test_the_rules_of_the_page_are_enough(server: RedisServer) -> None:
    """With all of them it is heard."""
    url = server.url.replace("://", "://broker:password@")
    with server.client() as client:
        client.execute_command(*rules()[0])
        try:
            with listening(url, "canvas-token-broker") as heard:
                wait_until(lambda: heard.signs > 2)
                assert (heard.connections, heard.reasons) == (1, [])
                assert client.acl_log() == []
        finally:
            client.execute_command("ACL", "DELUSER", "broker")


def test_a_right_that_is_taken_away_is_a_loss(server: RedisServer) -> None:
    """Though the connection that listens stands."""
    url = server.url.replace("://", "://broker:password@")
    with server.client() as client:
        client.execute_command(*rules()[0])
        try:
            with listening(url, "canvas-token-broker") as heard:
                wait_until(lambda: heard.connections)
                client.execute_command("ACL", "SETUSER", "broker", "-publish")
                wait_until(lambda: heard.reasons)
                assert heard.reasons[0].fault is StoreFault.PERMISSION
        finally:
            client.execute_command("ACL", "DELUSER", "broker")
            client.acl_log_reset()


def test_a_listener_that_raises_ends_nothing(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it does no more, it hears again."""
    broken = [1, 2, 3]

    def raise_at_first(*_: object) -> None:
        if broken:
            raise ZeroDivisionError(broken.pop())

    monkeypatch.setattr("broker.store.feed.RETRY", 0.01)
    monkeypatch.setattr(Heard, "connected", raise_at_first)
    monkeypatch.setattr(Heard, "lost", raise_at_first)
    with listening(server.url) as heard:
        wait_until(lambda: heard.signs)
    assert not broken


def test_a_connection_that_ends_is_made_anew(server: RedisServer) -> None:
    """Both are told."""
    with listening(server.url) as heard, server.client() as client:
        wait_until(lambda: heard.connections)
        client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        wait_until(lambda: heard.connections == 2)
        assert [one.fault for one in heard.reasons] == [StoreFault.CONNECTION]


def test_silence_is_a_loss(node: Node) -> None:
    """A server that hangs keeps the connection, and says nothing."""
    with listening(node.url) as heard:
        wait_until(lambda: heard.connections)
        node.hang()
        try:
            wait_until(lambda: heard.reasons)
        finally:
            node.resume()
        assert heard.reasons[0].fault is StoreFault.TIMEOUT
        wait_until(lambda: heard.connections == 2)


def test_in_a_cluster(tmp_path: Path) -> None:
    """What one node commits is heard at any other; the end of the one listened to is a loss."""
    with cluster(tmp_path) as nodes, listening(nodes.url) as heard:
        wait_until(lambda: heard.connections)
        names = [f"feed-{number}" for number in range(12)]
        owners = {nodes.owner(f"{{{name}}}").port for name in names}
        assert len(owners) == 3
        for name in names:
            commit(open_store(nodes.url, name))
        wait_until(lambda: {one.organization for one in heard.changes} == set(names))
        listened = next(
            one for one in nodes.nodes if one.ask("PUBSUB", "NUMSUB", "test:changes")[1]
        )
        listened.stop()
        wait_until(lambda: heard.connections == 2)
        assert heard.reasons
