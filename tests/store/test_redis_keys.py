"""How the store lies in Redis: one slot, a TTL on everything, nothing readable."""

import fakeredis

from broker.credentials import Credentials
from broker.limits import Limits
from broker.ports import Failure, Slot
from broker.secret import Secret
from broker.store.redis_stores import RedisRecordStores
from broker.tokens import Spare
from tests.store.harness import SCOPE, RedisHarness
from tests.store.test_contract import TIMEOUT, commit_first


def filled() -> RedisHarness:
    """Return a store in which every kind of key and field is in use."""
    harness = RedisHarness(fakeredis.FakeRedis(), server_name="fake")
    generation = commit_first(harness)
    grant = harness.store.acquire("a", generation, Slot.OWN)
    later = Spare(Secret("refresh-spare"), harness.now() + 1000)
    harness.store.commit_spare(grant, later, TIMEOUT)
    harness.age(11)
    generation = harness.store.read(0).generation
    harness.store.report(generation)
    harness.end_backoff()
    harness.store.acquire("b", generation, Slot.SPARE)
    return harness


def keys(harness: RedisHarness) -> list[str]:
    """Return the names of all keys in the server."""
    found = harness.client.keys()
    assert isinstance(found, list)
    return [key.decode() for key in found if isinstance(key, bytes)]


def test_one_slot_for_an_organization() -> None:
    """All keys carry the organization as hash tag, so a cluster holds them together."""
    names = keys(filled())
    assert len(names) == 4
    tags = {name.split("{")[1].split("}")[0] for name in names}
    assert len(tags) == 1
    assert next(iter(tags)).startswith("acme-")


def test_everything_ends() -> None:
    """No key stays for ever; the record lives as long as its refresh token."""
    harness = filled()
    for key in keys(harness):
        left = harness.client.pttl(key)
        assert isinstance(left, int)
        assert left > 0, key
    fresh = RedisHarness(fakeredis.FakeRedis(), server_name="fake")
    commit_first(fresh)
    left = fresh.client.pttl(fresh.keys["record"])
    assert isinstance(left, int)
    assert 86_390_000 < left <= 86_400_000


def test_no_secret_lies_open() -> None:
    """A dump names the organization, generations and times; no token and no key."""
    harness = filled()
    contents = b""
    for key in keys(harness):
        dump = harness.client.dump(key)
        assert isinstance(dump, bytes)
        contents += key.encode() + dump
    for secret in (b"access-one", b"refresh-one", b"refresh-spare", b"a" * 64):
        assert secret not in contents


def test_versions_share_nothing() -> None:
    """A record of old credentials is invisible under new ones."""
    harness = filled()
    organization = harness.keys["record"].split("{")[1].split("}")[0]
    other = Credentials(Secret("c" * 64), Secret("00000000-0000-4000-8000-cccccccccccc"))
    store = RedisRecordStores(harness.scripts, Limits(), "test", SCOPE).open(organization, other)
    assert store.read(0).generation == 0
    store.acquire("x", 0, Slot.NONE)
    store.fail("x", 0, Failure("timeout", 5.0), clear_mark=False)
    assert harness.store.read(0).generation > 0


def test_unreadable_record_is_no_record() -> None:
    """A value that cannot be opened is removed, so that the record is put back or replaced."""
    harness = filled()
    harness.client.hset(harness.keys["record"], "sealed", b"garbage")
    snapshot = harness.store.read(0)
    assert (snapshot.generation, snapshot.record) == (0, None)
