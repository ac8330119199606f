"""Of whom nothing has changed is told by one script for all; whatever has changed is read."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import fakeredis
import pytest

from broker.clock import SystemClock
from broker.errors import StoreUnavailableError
from broker.limits import Limits
from broker.ports import Question, RecordStore, ReportStatus, Slot
from broker.store.breaker import Breaker
from broker.store.connect import connect
from broker.store.redis_stores import RedisRecordStores
from broker.store.scripts import Scripts
from broker.store_damage import Damage, Defect, Part
from tests.redis.clusters import SLOTS, node
from tests.redis.nodes import wait_until
from tests.servers import RedisServer
from tests.store.harness import Harness, RedisHarness
from tests.store.test_contract import TIMEOUT, commit_first, record, spare
from tests.store.test_read_each import others, same

PASSED_OVER = 100


def report(harness: Harness, generation: int) -> int:
    """Let a caller refuse the token, once it is old enough."""
    del generation
    harness.age(11)
    aged = harness.store.read(0).generation
    assert harness.store.report(aged) is ReportStatus.ACCEPTED
    return aged


def keep_spare(harness: Harness, generation: int) -> None:
    """Let an attempt bring a refresh token alone."""
    grant = harness.store.acquire("a", generation, Slot.NONE)
    harness.store.commit_spare(grant, spare(harness), TIMEOUT)


def fail(harness: Harness, generation: int) -> None:
    """Let an attempt fail, that presented nothing."""
    harness.store.acquire("a", generation, Slot.NONE)
    harness.store.fail("a", generation, TIMEOUT, clear_mark=False)


def present(harness: Harness, generation: int) -> None:
    """Let an attempt present the refresh token, and its lease run out."""
    harness.store.acquire("a", generation, Slot.OWN)
    harness.end_lease()


CHANGES: dict[str, Callable[[Harness, int], object]] = {
    "nothing": lambda harness, generation: None,
    "a commit": lambda harness, known: harness.store.commit("a", known, record(harness), None),
    "a lease": lambda harness, known: harness.store.acquire("a", known, Slot.NONE),
    "a mark": present,
    "a failure": fail,
    "a spare": keep_spare,
    "a report": report,
    "lost": lambda harness, generation: harness.lose(),
    "moved": lambda harness, generation: harness.move(),
    "the clock set back": lambda harness, generation: harness.set_back(600),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_told(harness: Harness, change: str) -> None:
    """As by a look at each alone, though another one is calm."""
    (other,) = others(harness, 1)
    known = [(store, store.read(0).generation) for store in (other, harness.store)]
    same(harness, known)
    generation = commit_first(harness)
    known[1] = harness.store, generation
    same(harness, known)
    seen = CHANGES[change](harness, generation)
    known[1] = harness.store, seen if isinstance(seen, int) else generation
    same(harness, known)


class Told:
    """Notes which scripts the stores run."""

    def __init__(self, scripts: Scripts, monkeypatch: pytest.MonkeyPatch) -> None:
        self.scripts: list[tuple[str, int]] = []
        run, run_each = scripts.run, scripts.run_each

        def note(name: str, keys: Sequence[str], *arguments: Any) -> Any:
            self.scripts.append((name, len(keys)))
            return run(name, keys, *arguments)

        def note_each(name: str, calls: Sequence[Any]) -> list[Any]:
            self.scripts.append((name, len(calls)))
            return run_each(name, calls)

        monkeypatch.setattr(scripts, "run", note)
        monkeypatch.setattr(scripts, "run_each", note_each)

    def take(self) -> list[tuple[str, int]]:
        """Return those since the last call: names, with keys, or with how many were read."""
        taken, self.scripts = self.scripts, []
        return taken


@pytest.fixture
def fake() -> RedisHarness:
    """Return a server that needs no socket."""
    return RedisHarness(fakeredis.FakeRedis(), server_name="fake")


def known_of(stores: Sequence[RecordStore]) -> list[Question]:
    """Return the questions of one who knows all that there is."""
    return [(store, store.read(0).generation) for store in stores]


def test_one_script_where_all_are_calm(fake: RedisHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a second round trip for those alone that are not."""
    stores = others(fake, 50)
    asked = known_of(stores)
    told = Told(fake.scripts, monkeypatch)
    fake.stores.read_each(asked)
    assert told.take() == [("calm", 150)]
    for store, generation in asked[:40]:
        store.acquire("a", generation, Slot.NONE)
    told.take()
    fake.stores.read_each(asked)
    assert told.take() == [("calm", 150), ("read", 32), ("read", 8)]


def test_who_knows_nothing_asks_nobody_in_vain(
    fake: RedisHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each needs its snapshot."""
    stores = others(fake, 3)
    told = Told(fake.scripts, monkeypatch)
    fake.stores.read_each([(store, 0) for store in stores])
    assert told.take() == [("read", 3)]
    fake.stores.read_each(known_of(stores)[:1])
    assert told.take()[-1] == ("calm", 3)


def test_where_nobody_is_calm_it_is_asked_again(
    fake: RedisHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One organization with a backoff does not make all others' looks dear."""
    ((store, generation),) = asked = known_of(others(fake, 1))
    store.acquire("a", generation, Slot.NONE)
    told = Told(fake.scripts, monkeypatch)
    for _ in range(3):
        fake.stores.read_each(asked)
    assert told.take() == [("calm", 3), ("read", 1)] * 3


def test_a_server_without_a_name_is_not_asked_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It can calm nobody: one round trip is enough there."""
    harness = RedisHarness(fakeredis.FakeRedis())
    asked = known_of(others(harness, 2))
    told = Told(harness.scripts, monkeypatch)
    for _ in range(PASSED_OVER + 2):
        harness.stores.read_each(asked)
    assert told.take() == [
        ("calm", 6),
        *[("read", 2)] * (PASSED_OVER + 1),
        ("calm", 6),
        ("read", 2),
    ]


def test_silence_is_silence(fake: RedisHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no reason to ask again at once in another way."""
    asked = known_of(others(fake, 2))
    told = Told(fake.scripts, monkeypatch)

    def silent(*_: object) -> object:
        raise StoreUnavailableError("Redis failed: TimeoutError")

    fake.scripts._breaker.call = silent  # type: ignore[method-assign, assignment]
    with pytest.raises(StoreUnavailableError):
        fake.stores.read_each(asked)
    assert told.take() == [("calm", 6)]


@pytest.mark.parametrize("failing", range(4))
def test_a_round_trip_that_fails(
    fake: RedisHarness, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    """Who was answered before is; the rest are not, and nobody waits for one more."""
    stores = others(fake, 97)
    asked = known_of(stores)
    for store, generation in asked[1:]:
        store.acquire("a", generation, Slot.NONE)
    run_each, begun = fake.scripts.run_each, []

    def fail_one(name: str, calls: Sequence[Any]) -> list[Any]:
        begun.append(name)
        if len(begun) == failing + 1:
            raise StoreUnavailableError("Redis failed: TimeoutError")
        return run_each(name, calls)

    monkeypatch.setattr(fake.scripts, "run_each", fail_one)
    answers = fake.stores.read_each(asked)
    good = 1 + 32 * failing
    assert all(answer().unchanged for answer in answers[:good])
    for answer in answers[good:]:
        with pytest.raises(StoreUnavailableError, match="TimeoutError"):
            answer()
    assert len(answers) == 97
    assert len(begun) == min(failing + 1, 3)


@pytest.mark.sockets
@pytest.mark.parametrize("forgotten", [False, True])
def test_a_broken_key_is_not_calm(valkey: RedisServer, forgotten: bool) -> None:
    """The look mends it; it keeps nobody else from being calm, even if scripts are forgotten."""
    harness = RedisHarness(valkey.client())
    asked = known_of(others(harness, 2))
    commit_first(harness)
    harness.client.delete(harness.keys["record"])
    harness.client.set(harness.keys["record"], "not a hash")
    if forgotten:
        harness.client.script_flush()
    broken, *good = harness.stores.read_each([(harness.store, 1), *asked])
    assert [answer().unchanged for answer in good] == [True, True]
    assert broken().generation == 0
    assert harness.store.take_damage() == (Damage(Part.RECORD, Defect.TYPE),)


@pytest.mark.sockets
def test_a_server_that_takes_no_keys_of_several_slots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a node of a cluster that is given as a server, or a proxy: each is read, and no harm."""
    with node(tmp_path / "node") as one:
        one.ask("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS - 1)
        wait_until(lambda: b"cluster_state:ok" in one.ask("CLUSTER", "INFO"))
        client = connect(f"redis://127.0.0.1:{one.port}/0", Limits())
        scripts = Scripts(client, Breaker(SystemClock(), 1.0), together=client.together)
        stores = RedisRecordStores(scripts, Limits(), "test", "scope")
        harness = RedisHarness(one.client())
        harness.stores = stores
        asked = known_of(others(harness, 5))
        told = Told(scripts, monkeypatch)
        for _ in range(3):
            answers = [answer() for answer in stores.read_each(asked)]
            assert [one.generation for one in answers] == [known for _, known in asked]
            assert all(one.unchanged for one in answers)
        assert told.take() == [("calm", 15), *[("read", 5)] * 3]
