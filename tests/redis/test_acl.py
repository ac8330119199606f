"""A Redis user with no more rights than the documentation says."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from broker.errors import StoreUnavailableError
from broker.ports import Failure, Grant, GrantStatus, ReportStatus, Slot
from broker.secret import Secret
from broker.store.redis_store import RedisRecordStore
from broker.store.redis_stores import RedisRecordStores
from broker.tokens import Spare
from tests.fakes import credentials
from tests.redis.clusters import cluster
from tests.redis.nodes import LIMITS, commit, record, scripts, wait_until
from tests.servers import RedisServer

pytestmark = pytest.mark.sockets

PAGE = Path(__file__).parents[2] / "docs" / "redis.md"
PREFIX = "canvas-token-broker"


def rules() -> list[list[str]]:
    """Return the rule sets of the page, the one that a cluster needs besides last."""
    lines = [line.strip() for line in PAGE.read_text("utf-8").splitlines()]
    return [line.split() for line in lines if line.startswith("ACL SETUSER broker ")]


@pytest.fixture(params=["valkey", "redis7"])
def server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """Each server in turn, with the user of the page."""
    found: RedisServer = request.getfixturevalue(request.param)
    with found.client() as client:
        client.execute_command(*rules()[0])
        yield found
        client.execute_command("ACL", "DELUSER", "broker")
        client.flushall()


def open_as_broker(url: str) -> RedisRecordStore:
    """Return the store as that user opens it."""
    url = url.replace("://", "://broker:password@")
    return RedisRecordStores(scripts(url), LIMITS, PREFIX, "scope").open("acme", credentials())


def burn(store: RedisRecordStore, attempt: str, generation: int, wish: Slot) -> Grant:
    """Take the lease and the refresh token, once the backoff of a millisecond is over."""
    wait_until(lambda: store.acquire(attempt, generation, wish).slot is wish)
    return store.acquire(attempt, generation, wish)


def use_everything(store: RedisRecordStore) -> None:
    """Run each script on the path that does most."""
    store.check_write()
    generation = commit(store)
    assert store.read(0).record is not None
    assert store._scripts.run("calm", store.keys[:3], generation).endswith(b" 1")
    burn(store, "a", generation, Slot.OWN)
    store.fail("a", generation, Failure("connect", 0.001), clear_mark=True)
    grant = burn(store, "b", generation, Slot.OWN)
    spare = Spare(Secret("spare"), record().ends_at)
    store.commit_spare(grant, spare, Failure("timeout", 0.001))
    burn(store, "c", generation, Slot.SPARE)
    assert store.report(generation) is ReportStatus.YOUNG
    again = store.commit("c", generation, record("two"), Failure("short_life", 0.001)).generation
    assert again > generation
    store.republish(record("three"))


def report_and_lose(store: RedisRecordStore, client: "redis.Redis") -> None:
    """Report a record that is old enough to be believed; then lose it and put it back."""
    key = store.keys[0]
    client.hset(key, "generation", "5")
    assert store.report(5) is ReportStatus.ACCEPTED
    client.delete(*store.keys)
    store.republish(record())
    assert store.read(0).presented


def test_every_operation_works(server: RedisServer) -> None:
    """The rule set as it stands in the documentation is enough."""
    store = open_as_broker(server.url)
    use_everything(store)
    with server.client() as client:
        report_and_lose(store, client)
        assert client.acl_log() == []


@pytest.mark.parametrize(
    "command",
    [
        ("KEYS", "*"),
        ("HGET", "other:{acme}:record", "sealed"),
        ("GET", "other"),
        ("FLUSHALL",),
        ("CONFIG", "GET", "*"),
        ("EVAL", "return redis.call('HGET', KEYS[1], 'x')", 1, "other"),
        ("EVAL", "return redis.call('KEYS', '*')", 0),
        ("ACL", "LIST"),
    ],
)
def test_nothing_else_does(server: RedisServer, command: tuple[str, ...]) -> None:
    """Other commands and other keys are refused, also from within a script."""
    with (
        redis.Redis(port=server.port, username="broker", password="password") as client,
        pytest.raises(redis.ResponseError, match=r"permission|can't run|can't access"),
    ):
        client.execute_command(*command)
    with server.client() as client:
        client.acl_log_reset()


COMMANDS = [rule for rule in rules()[0] if rule.startswith("+")]
SPARED = {"+info", "+publish", "+subscribe"}
"""Without these no operation fails; they have tests of their own."""


@pytest.mark.parametrize("rule", [rule for rule in COMMANDS if rule not in SPARED])
def test_no_rule_is_idle(valkey: RedisServer, rule: str) -> None:
    """Without any one of them something fails, but for those that are spared."""
    with valkey.client() as client:
        client.execute_command(*rules()[0], f"-{rule[1:]}")
        client.execute_command("SCRIPT", "FLUSH")
        try:
            with pytest.raises(StoreUnavailableError):
                do_all(open_as_broker(valkey.url), client)
        finally:
            client.execute_command("ACL", "DELUSER", "broker")
            client.flushall()
            client.acl_log_reset()


def do_all(store: RedisRecordStore, client: "redis.Redis") -> None:
    """Run everything that a broker ever runs."""
    use_everything(store)
    report_and_lose(store, client)


@pytest.mark.parametrize("rule", ["-publish", "resetchannels"])
def test_who_may_not_publish_goes_on(server: RedisServer, rule: str) -> None:
    """The fleet is told of nothing, and no operation fails."""
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "broker", rule)
        client.execute_command("SCRIPT", "FLUSH")
        do_all(open_as_broker(server.url), client)
        client.acl_log_reset()


def test_without_info(server: RedisServer) -> None:
    """Every record counts as another server's: it is read, its refresh token is not presented."""
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "broker", "-info")
        store = open_as_broker(server.url)
        generation = commit(store)
        found = store.read(0)
        assert (found.generation, found.foreign) == (generation, True)
        grant = store.acquire("next", generation, Slot.OWN)
        assert (grant.status, grant.slot) == (GrantStatus.GRANTED, Slot.NONE)
        client.acl_log_reset()


def test_without_info_a_record_is_put_back_once(server: RedisServer) -> None:
    """Workers that put it back at each look would keep the lease from everybody."""
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "broker", "-info")
        store = open_as_broker(server.url)
        lost = replace(record(), generation=commit(store))
        client.flushdb()
        store.republish(lost)
        assert client.pttl(lease_of(client)) > 0
        client.delete(lease_of(client))
        store.republish(lost)
        assert store.acquire("next", lost.generation, Slot.OWN).status is GrantStatus.GRANTED
        client.acl_log_reset()


def lease_of(client: "redis.Redis") -> str:
    """Return the key of the lease of the one organization."""
    (key,) = client.scan_iter("*:record")
    return str(key, "ascii").removesuffix("record") + "lease"


def test_in_a_cluster(tmp_path: Path) -> None:
    """One rule more is enough there."""
    with cluster(tmp_path) as nodes:
        for one in nodes.nodes:
            for rule in rules():
                one.ask(*rule)
        use_everything(open_as_broker(nodes.url))
