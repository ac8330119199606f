"""What no broker writes is removed and told; all is well again with the next commit."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import inf
from typing import Any

import fakeredis
import pytest

from broker.limits import BACKOFF_MEMORY, Limits
from broker.ports import GrantStatus, ReportStatus, Slot
from broker.store_damage import Damage, Defect, Part
from tests.fakes import credentials
from tests.memory_store.server import MemoryRecordStore
from tests.memory_store.shelf import RECORD_LIFE
from tests.servers import RedisServer
from tests.store.harness import Harness, MemoryHarness, RedisHarness
from tests.store.hostile import FIELDS, PARTS, UNSOUND, mutate, mutations
from tests.store.test_contract import TIMEOUT, commit_first, record, spare

LIMITS = Limits()
EXABYTE_MS = 10**14
LONGEST = {
    "record": RECORD_LIFE,
    "lease": LIMITS.lease,
    "backoff": LIMITS.longest_backoff + BACKOFF_MEMORY,
    "report": LIMITS.report_interval,
}


def fill(harness: Harness) -> int:
    """Let every kind of key and field be in use; return the generation."""
    generation = commit_first(harness)
    grant = harness.store.acquire("a", generation, Slot.OWN)
    harness.store.commit_spare(grant, spare(harness), TIMEOUT)
    harness.age(11)
    generation = harness.store.read(0).generation
    assert harness.store.report(generation) is ReportStatus.ACCEPTED
    harness.end_backoff()
    harness.store.acquire("b", generation, Slot.SPARE)
    assert harness.store.take_damage() == ()
    return generation


def is_well(harness: Harness) -> None:
    """After a lease at most, one ``Authenticate`` brings a record, and nothing is damaged."""
    harness.store.take_damage()
    harness.end_lease()
    harness.end_backoff()
    known = harness.store.read(0).generation
    grant = harness.store.acquire("after", known, Slot.NONE)
    assert grant.status is GrantStatus.GRANTED
    assert 0 < grant.snapshot.lease_remaining <= LIMITS.lease
    committed = harness.store.commit("after", known, record(harness), None)
    assert not committed.superseded
    found = harness.store.read(0)
    assert found.generation == committed.generation < 2**53
    assert (found.record and found.record.access_token.reveal()) == "access-one"
    assert (found.backoff, found.lease_remaining, found.refused) == (None, 0, False)
    assert harness.store.take_damage() == ()


@pytest.fixture(params=["fakeredis", "redis7", "valkey"])
def server(request: pytest.FixtureRequest) -> Iterator[RedisHarness]:
    """Each server with keys of its own, as far as a test without sockets may have it."""
    if request.param == "fakeredis":
        yield RedisHarness(fakeredis.FakeRedis(), server_name="fake")
        return
    with request.getfixturevalue(request.param).client() as client:
        yield RedisHarness(client)


on_servers = pytest.mark.parametrize(
    "server",
    [
        "fakeredis",
        *(pytest.param(each, marks=pytest.mark.sockets) for each in ("redis7", "valkey")),
    ],
    indirect=True,
)


@on_servers
@pytest.mark.parametrize(
    ("part", "field"), [(part, field) for part in FIELDS for field in FIELDS[part]]
)
def test_every_field(server: RedisHarness, part: str, field: str) -> None:
    """Text, signs, fractions, too long, too high: the key is removed before anybody reads it."""
    for value in UNSOUND[FIELDS[part][field]]:
        fill(server)
        server.client.hset(server.keys[part], field, value)
        server.store.read(0)
        told = server.store.take_damage()
        assert [each.part for each in told] == [part], value[:20]
        assert told[0].defect in {Defect.SIZE, Defect.VALUE}
        is_well(server)
        server.lose()


@on_servers
@pytest.mark.parametrize("part", PARTS)
def test_another_type(server: RedisHarness, part: str) -> None:
    """Of whatever type, it is not there any more."""
    client, key = server.client, server.keys[part]
    others: list[Callable[[], Any]] = [
        lambda: client.lpush(key, "x"),
        lambda: client.sadd(key, "x"),
        lambda: client.zadd(key, {"x": 1}),
        lambda: client.set(key, "x"),
    ]
    for make in others:
        fill(server)
        client.delete(key)
        make()
        server.store.read(0)
        assert server.store.take_damage() == (Damage(Part(part), Defect.TYPE),)
        is_well(server)
        server.lose()


@on_servers
@pytest.mark.parametrize("part", PARTS)
def test_no_end(server: RedisHarness, part: str) -> None:
    """It gets the longest that it may have, or none."""
    fill(server)
    server.client.persist(server.keys[part])
    server.store.read(0)
    assert server.store.take_damage() == (Damage(Part(part), Defect.TTL),)
    left: Any = server.client.pttl(server.keys[part])
    assert left <= (-2 if part == "report" else LONGEST[part] * 1000)
    is_well(server)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("set_back", [False, True])
def test_a_moment_too_late(harness: Harness, part: str, *, set_back: bool) -> None:
    """It is told, unless it was written at an instant yet to come: then the clock was set back."""
    fill(harness)
    longest = LONGEST[part] + 2
    if isinstance(harness, MemoryHarness):
        (shelf,) = harness.server.shelves.values()
        name = {"record": "ends", "backoff": "backoff_ends"}.get(part, f"{part}_until")
        setattr(shelf, name, harness.now() + longest)
    elif isinstance(harness, RedisHarness):
        harness.client.pexpire(harness.keys[part], round(longest * 1000))
    if set_back:
        harness.set_back(600)
    harness.store.read(0)
    assert harness.store.take_damage() == (() if set_back else ((Part(part), Defect.TTL),))
    harness.store.read(0)
    assert harness.store.take_damage() == ()


def test_a_record_is_kept_for_a_week_at_most(harness: Harness) -> None:
    """Whatever Canvas says of its refresh token: it is no damage."""
    ends = harness.now() + 2 * RECORD_LIFE
    harness.store.commit("a", 0, replace(record(harness), refresh_expires_at=ends), None)
    assert harness.store.read(0).record is not None
    assert harness.store.take_damage() == ()
    if isinstance(harness, RedisHarness):
        left: Any = harness.client.pttl(harness.keys["record"])
        assert left <= RECORD_LIFE * 1000


@on_servers
@pytest.mark.parametrize("part", PARTS)
def test_too_late_an_end(server: RedisHarness, part: str) -> None:
    """Nothing lasts longer than the settings allow."""
    generation = fill(server)
    server.client.pexpire(server.keys[part], EXABYTE_MS)
    server.store.read(0)
    assert server.store.take_damage() == ((Part(part), Defect.TTL),)
    left: Any = server.client.pttl(server.keys["record"])
    assert left <= RECORD_LIFE * 1000
    held = server.store.acquire("c", generation, Slot.NONE)
    assert 0 < held.snapshot.lease_remaining <= LIMITS.lease
    left = server.client.pttl(server.keys["backoff"])
    assert left <= (LIMITS.longest_backoff + BACKOFF_MEMORY) * 1000
    is_well(server)
    server.age(11)
    assert server.store.report(server.store.read(0).generation) is not ReportStatus.THROTTLED or (
        part != "report"
    )


@on_servers
def test_a_backoff_without_an_end(server: RedisHarness) -> None:
    """Nobody vouches for it, and it is removed."""
    fill(server)
    server.client.hset(server.keys["backoff"], "until", str(2**53 - 1))
    assert server.store.read(0).backoff is None
    assert server.store.take_damage() == (Damage(Part.BACKOFF, Defect.SEAL),)
    is_well(server)


@on_servers
@pytest.mark.parametrize("field", ["generation", "sealed", "written"])
def test_fields_that_are_missing(server: RedisHarness, field: str) -> None:
    """A record is whole, or none; one of an earlier version has no instant."""
    fill(server)
    server.client.hdel(server.keys["record"], field)
    server.store.read(0)
    told = [] if field == "written" else [(Part.RECORD, Defect.VALUE)]
    assert [*server.store.take_damage()] == told
    is_well(server)


@on_servers
@pytest.mark.parametrize("field", ["attempt", "until", "written", "failures"])
def test_half_a_backoff(server: RedisHarness, field: str) -> None:
    """It would forbid attempts, and nobody could tell why."""
    fill(server)
    server.client.hdel(server.keys["backoff"], field)
    assert server.store.read(0).backoff is None
    assert server.store.take_damage() == ((Part.BACKOFF, Defect.VALUE),)


@on_servers
def test_a_lease_of_nobody(server: RedisHarness) -> None:
    """Its holder may be at work: one lease time passes, and no more."""
    generation = fill(server)
    server.client.hdel(server.keys["lease"], "attempt")
    held = server.store.acquire("c", generation, Slot.NONE)
    assert held.status is GrantStatus.HELD
    assert 20 < held.snapshot.lease_remaining <= LIMITS.lease
    assert server.store.take_damage() == ((Part.LEASE, Defect.VALUE),)
    is_well(server)


@on_servers
@pytest.mark.parametrize("days", [-400, -2, 2, 400, 20_000])
@pytest.mark.parametrize("known", [False, True])
def test_a_generation_of_another_time(server: RedisHarness, days: int, *, known: bool) -> None:
    """It is not that of the sealed content: neither believed nor kept, whoever reads it."""
    generation = commit_first(server)
    server.client.hincrby(server.keys["record"], "generation", days * 86_400 * 10**6)
    found = server.store.read(generation if known else 0)
    assert (found.generation, found.record) == (0, None)
    assert server.store.take_damage() == ((Part.RECORD, Defect.SEAL),)
    assert server.client.exists(server.keys["record"]) == 0
    is_well(server)


@pytest.mark.parametrize("below", [1, 10**6, 86_300_000_000])
def test_a_number_below_the_sealed_one(harness: Harness, below: int) -> None:
    """Numbers only grow: under this one no process would know its own token when it is refused."""
    generation = commit_first(harness)
    stored = record(harness, provisional=generation)
    harness.store.commit("b", generation, replace(stored, generation=stored.generation), None)
    renumber(harness, stored.provisional - below)
    assert harness.store.read(0).generation == 0
    assert harness.store.take_damage() == ((Part.RECORD, Defect.SEAL),)


def renumber(harness: Harness, generation: int, attempt: str = "") -> None:
    """Put the record under another number, and another attempt if there is one."""
    if isinstance(harness, MemoryHarness):
        (shelf,) = harness.server.shelves.values()
        shelf.generation, shelf.attempt = generation, attempt or shelf.attempt
    elif isinstance(harness, RedisHarness):
        harness.client.hset(harness.keys["record"], "generation", str(generation))
        if attempt:
            harness.client.hset(harness.keys["record"], "attempt", attempt)


@pytest.mark.parametrize("off", [-(10**9), 10**9, 2 * 86_400 * 10**6, 4 * 10**15])
def test_a_commit_that_somebody_made_up(harness: Harness, off: int) -> None:
    """The attempt lies open: put beside an old record it commits nothing, nor gives a number."""
    first = commit_first(harness)
    new = record(harness, name="two", provisional=first + 1)
    harness.store.acquire("a", first, Slot.OWN)
    renumber(harness, new.provisional + off, "a")
    done = harness.store.commit("a", first, new, None)
    sound = new.provisional <= done.generation <= new.provisional + 86_400 * 10**6
    assert done.superseded or sound
    assert done.superseded == (off > 86_400 * 10**6)


@on_servers
def test_an_attempt_meets_it_first(server: RedisHarness) -> None:
    """Between a look and its attempt: it is told what is left, and refreshes nothing."""
    generation = commit_first(server)
    server.client.hset(server.keys["record"], "generation", str(2**53 - 1))
    moved = server.store.acquire("a", generation, Slot.OWN)
    assert (moved.status, moved.snapshot.generation) == (GrantStatus.MOVED, 0)
    assert server.store.take_damage() == ((Part.RECORD, Defect.SEAL),)
    is_well(server)


@on_servers
def test_what_does_not_open(server: RedisHarness) -> None:
    """It is removed, so that who has the record in memory puts it back at its next look."""
    generation = commit_first(server)
    stored = record(server, provisional=generation)
    server.client.hset(server.keys["record"], "sealed", b"garbage")
    assert server.store.read(generation).unchanged
    assert server.store.read(0).generation == 0
    assert server.store.take_damage() == ((Part.RECORD, Defect.SEAL),)
    server.store.republish(stored)
    assert server.store.read(0).record is not None
    is_well(server)


@on_servers
def test_a_spare_that_does_not_open(server: RedisHarness) -> None:
    """The next attempt authenticates."""
    fill(server)
    server.client.hset(server.keys["record"], "spare", b"garbage")
    assert server.store.read(0).spare is None
    is_well(server)


@on_servers
@pytest.mark.parametrize("word", ["of_the_future", "unknown", "timeout"])
def test_a_failure_that_nobody_knows(server: RedisHarness, word: str) -> None:
    """Another version may know it: it has a place, and is not repeated."""
    server.store.fail("a", 0, TIMEOUT, clear_mark=False)
    server.client.hset(server.keys["backoff"], "failure", word)
    backoff = server.store.read(0).backoff
    assert backoff is not None
    assert backoff.failure == ("timeout" if word == "timeout" else "unknown")
    assert server.store.take_damage() == ()


@on_servers
def test_looks_that_go_together(server: RedisHarness) -> None:
    """One organization's damage is mended by the look that meets it; the others are calm."""
    other = server.stores.open("other", credentials("b"))
    known = other.commit("x", 0, record(server), None).generation
    generation = commit_first(server)
    asked = [(other, known), (server.store, generation)]
    for value in (b"nan", b"", b"9" * 70_000):
        server.client.hset(server.keys["record"], "written", value)
        calm, mended = (answer() for answer in server.stores.read_each(asked))
        assert calm.unchanged
        assert mended.generation == 0
        server.store.republish(record(server, provisional=generation))
    assert {each.part for each in server.store.take_damage()} == {Part.RECORD}
    assert other.take_damage() == ()
    other.commit("y", known, record(server), None)
    server.client.delete(*server.client.keys("test:{other}*"))


@pytest.mark.sockets
@pytest.mark.parametrize(
    ("part", "field"), [("record", "sealed"), ("record", "server"), ("backoff", "failure")]
)
def test_ninety_megabytes_stay_where_they_are(valkey: RedisServer, part: str, field: str) -> None:
    """Nobody fetches what no broker can have written."""
    with valkey.client() as client:
        harness = RedisHarness(client)
        generation = fill(harness)
        client.hset(harness.keys[part], field, b"9" * 90_000_000)
        before: Any = client.info("stats")
        (answer,) = harness.stores.read_each([(harness.store, generation)])
        answer()
        after: Any = client.info("stats")
        sent = after["total_net_output_bytes"] - before["total_net_output_bytes"]
        assert sent < 100_000
        assert harness.store.take_damage() == ((Part(part), Defect.SIZE),)
        is_well(harness)
        harness.lose()


def test_the_table_knows_every_field() -> None:
    """What the scripts write is what is checked."""
    harness = RedisHarness(fakeredis.FakeRedis(), server_name="fake")
    generation = fill(harness)
    harness.store.fail("b", generation, replace(TIMEOUT, latched=True), clear_mark=False)
    harness.store.report(generation)
    harness.move()
    harness.store.acquire("c", generation, Slot.NONE)
    harness.end_lease()
    harness.end_backoff()
    assert harness.store.acquire("d", generation, Slot.NONE).status is GrantStatus.GRANTED
    for part, known in FIELDS.items():
        names: Any = harness.client.hkeys(harness.keys[part])
        assert {name.decode() for name in names} == known.keys()


def test_a_shelf_takes_anything() -> None:
    """The store in memory survives any value of any type in any field, and is well again."""
    for name, value in mutations():
        harness = MemoryHarness()
        generation = fill(harness)
        (shelf,) = harness.server.shelves.values()
        mutate(shelf, name, value)
        use(harness, generation)
        is_well(harness)


def test_a_shelf_takes_anything_before_each_operation() -> None:
    """Not only before a look."""
    operations: tuple[Callable[[Any, int], object], ...] = (
        lambda store, known: store.read(known),
        lambda store, known: store.acquire("c", known, Slot.OWN),
        lambda store, known: store.commit("b", known, RECORD, None),
        lambda store, known: store.fail("b", known, TIMEOUT, clear_mark=True),
        lambda store, _: store.lift("host/2"),
        lambda store, known: store.report(known),
        lambda store, _: store.republish(RECORD),
        lambda store, _: store.note_clock_step(),
    )
    for name, value in mutations():
        for operation in operations:
            harness = MemoryHarness()
            generation = fill(harness)
            (shelf,) = harness.server.shelves.values()
            mutate(shelf, name, value)
            operation(harness.store, generation)


RECORD = record(MemoryHarness())


def use(harness: MemoryHarness, generation: int) -> None:
    """Look, then do each thing once."""
    store = harness.store
    assert isinstance(store, MemoryRecordStore)
    found = store.read(generation)
    assert found.generation < 2**53
    assert found.lease_remaining <= LIMITS.lease or found.lease_remaining < inf
    grant = store.acquire("c", found.generation, Slot.OWN)
    store.commit_spare(grant, spare(harness), TIMEOUT)
    store.report(found.generation)
    store.lift("host/2")
    store.fail("d", found.generation, TIMEOUT, clear_mark=True)
    store.note_clock_step()
