"""Step by step, the store in memory does what the Lua scripts do.

The simulation of the protocol runs on the store in memory; these random sequences, played on both
under one virtual clock, are what makes that a proof about the scripts.
"""

import random
import time
from collections.abc import Callable
from typing import Any

import fakeredis
import pytest

from broker.clock import SystemClock
from broker.limits import Limits
from broker.ports import Failure, Grant, GrantStatus, RecordStore, Slot, Snapshot
from broker.secret import Secret
from broker.store.breaker import Breaker
from broker.store.redis_stores import RedisRecordStores
from broker.store.scripts import Scripts
from broker.tokens import Record, Spare, Stamp
from tests.fakes import FakeClock, credentials
from tests.memory_store.server import MemoryServer
from tests.store.hostile import PARTS, draw_tamper, mutate

STEPS = 60
SEEDS = range(60)
HOSTILE_SEEDS = range(100, 200)
ATTEMPTS = 6


class Pair:
    """Both stores under one clock, and the random steps to play on them."""

    def __init__(self, seed: int, clock: FakeClock) -> None:
        self.random = random.Random(seed)
        self.grants: dict[tuple[int, str], Grant] = {}
        self.clock = clock
        self.server = MemoryServer(clock.redis, Limits(), name="server-1")
        self.fake = fakeredis.FakeRedis()
        self.scripts = Scripts(self.fake, Breaker(SystemClock(), 1.0), "server-1")
        lua = RedisRecordStores(self.scripts, Limits(), "test", "scope").open("acme", credentials())
        self.stores: tuple[RecordStore, RecordStore] = (
            self.server.open("acme", credentials()),
            lua,
        )
        self.keys = {part: key for key in lua.keys for part in PARTS if key.endswith(f":{part}")}
        self.names = 1
        self.generations = [0]

    def tamper(self) -> str:
        """Let a hostile writer change one thing in both, if it is there; return what."""
        names = [f"server-{self.names}", "server-0", self._attempt(), "lost", "a/1"]
        drawn = draw_tamper(self.random, self.clock.redis(), names)
        key = self.keys[drawn.part]
        if not self.fake.exists(key):
            return "nothing"
        (shelf,) = self.server.shelves.values()
        mutate(shelf, drawn.name, drawn.value)
        if drawn.field:
            self.fake.hset(key, drawn.field, drawn.raw)
        elif drawn.raw is None:
            self.fake.persist(key)
        else:
            self.fake.pexpire(key, drawn.raw)
        return f"{drawn.part} {drawn.field} {str(drawn.raw)[:40]}"

    def step(self) -> tuple[str, list[Any]]:
        """Do one thing to both; return what it was and both results."""
        what = self.random.choice(
            ["acquire"] * 6
            + ["commit"] * 4
            + ["spare", "fail", "fail", "report"] * 2
            + ["republish", "lift", "sleep", "sleep", "sleep", "rename", "flush"]
            + ["clock", "clock", "note_clock_step"]
        )
        act: Callable[[], Callable[[RecordStore], Any] | None] = getattr(self, f"_{what}")
        operation = act()
        if operation is None:
            return what, [None, None]
        return what, [operation(store) for store in self.stores]

    def snapshots(self) -> list[tuple[Any, ...]]:
        """Return what both hold, in a form that can be compared."""
        found = [_plain(store.read(0)) for store in self.stores]
        self.generations.append(found[0][0])
        return found

    def _attempt(self) -> str:
        return f"attempt-{self.random.randrange(ATTEMPTS)}-{len(self.generations) // 12}"

    def _generation(self) -> int:
        return self.random.choice([self.generations[-1]] * 6 + self.generations[-6:])

    def _record(self, generation: int) -> Record:
        now = self.clock.redis()
        name = str(self.random.random())
        lifetime = self.random.choice([20.0, 600.0])
        return Record(
            generation=generation,
            provisional=generation,
            access_token=Secret(f"access-{name}"),
            lifetime=lifetime,
            expires_at=now + lifetime,
            margin=10.0,
            refresh_token=Secret(f"refresh-{name}"),
            refresh_expires_at=now + self.random.choice([0.0, 30.0, 5000.0]),
            stamp=self._stamp(now),
        )

    def _stamp(self, now: float) -> Stamp | None:
        """Return one of a record of old, of one handed over at once, and of one before a step."""
        host = self.random.uniform(0.0, 1e9)
        return self.random.choice([None, Stamp(now - 2.5, host), Stamp(now + 3.5, host)])

    def _failure(self) -> Failure:
        delay, latched = self.random.choice([1.0, 30.0, 900.0]), self.random.random() < 0.4
        now = self.clock.redis()
        at, acted = (now + self.random.choice([0.0, -3.0, -9.0]) for _ in range(2))
        refusals = self.random.choice([0, 1, 5])
        return Failure("timeout", delay, latched, refusals, self._writing(), acted, at)

    def _writing(self) -> str:
        return f"{self.random.choice('ab')}/{self.random.choice('12')}"

    def _acquire(self) -> Callable[[RecordStore], Any]:
        attempt, expected, wish = self._attempt(), self._generation(), self.random.choice([*Slot])

        def operation(store: RecordStore) -> Any:
            grant = store.acquire(attempt, expected, wish)
            if grant.status is GrantStatus.GRANTED:
                self.grants[id(store), attempt] = grant
            return grant.status, grant.slot, _plain(grant.snapshot)

        return operation

    def _commit(self) -> Callable[[RecordStore], Any]:
        attempt, expected = self._attempt(), self._generation()
        record = self._record(round(self.clock.redis() * 1e6) + self.random.choice([-3_000_000, 5]))
        failure = self.random.choice([None, None, Failure("short_life", 2.0)])
        return lambda store: store.commit(attempt, expected, record, failure)

    def _spare(self) -> Callable[[RecordStore], Any]:
        attempt, failure = self._attempt(), self._failure()
        ends = self.clock.redis() + self.random.choice([3.0, 5000.0])
        failure = Failure(failure.kind, failure.delay)
        beside = self.random.choice([None, self._generation(), self._generation()])
        spare = Spare(Secret("spare"), ends, beside)

        def operation(store: RecordStore) -> Any:
            grant = self.grants.get((id(store), attempt))
            return grant and store.commit_spare(grant, spare, failure)

        return operation

    def _fail(self) -> Callable[[RecordStore], Any]:
        attempt, expected, failure = self._attempt(), self._generation(), self._failure()
        clear = self.random.random() < 0.5
        return lambda store: store.fail(attempt, expected, failure, clear_mark=clear)

    def _lift(self) -> Callable[[RecordStore], Any]:
        writing = self._writing()
        return lambda store: store.lift(writing)

    def _report(self) -> Callable[[RecordStore], Any]:
        generation = self._generation()
        return lambda store: store.report(generation)

    def _republish(self) -> Callable[[RecordStore], Any]:
        record = self._record(max(1, self._generation()))
        return lambda store: store.republish(record)

    def _sleep(self) -> None:
        self.clock.sleep(self.random.choice([0.43, 3.17, 12.29, 26.31, 70.07, 700.9]))

    def _clock(self) -> None:
        self.clock.redis_error += self.random.choice([-600.3, -44.7, -4.9, 4.9, 31.3, 600.3])

    def _note_clock_step(self) -> Callable[[RecordStore], Any]:
        return lambda store: store.note_clock_step()

    def _rename(self) -> None:
        self.names += 1
        self.server.name = self.scripts._server_name = f"server-{self.names}"

    def _flush(self) -> None:
        self.server.shelves.clear()
        self.fake.flushall()


def _plain(snapshot: Snapshot) -> tuple[Any, ...]:
    backoff = snapshot.backoff
    return (
        snapshot.generation,
        snapshot.record and snapshot.record.access_token.reveal(),
        snapshot.foreign,
        snapshot.refused,
        snapshot.presented,
        snapshot.spare is not None,
        backoff
        and (
            round(backoff.remaining, 2),
            backoff.failures,
            backoff.failure,
            backoff.latched,
            backoff.refusals,
            backoff.vouched,
            backoff.writing,
            round(backoff.acted, 2),
        ),
        round(snapshot.lease_remaining, 2),
        snapshot.server,
        round(snapshot.written, 2),
        snapshot.record and snapshot.record.stamp,
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_step_by_step(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is asked in whatever order, both answer and hold the same."""
    clock = FakeClock()
    monkeypatch.setattr(time, "time", clock.redis)
    pair = Pair(seed, clock)
    for number in range(STEPS):
        what, results = pair.step()
        assert results[0] == results[1], f"step {number} of seed {seed}: {what}"
        held = pair.snapshots()
        assert held[0] == held[1], f"after step {number} of seed {seed}: {what}"


@pytest.mark.parametrize("seed", HOSTILE_SEEDS)
def test_with_a_hostile_writer(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both find the same damage, and go on with the same."""
    clock = FakeClock()
    monkeypatch.setattr(time, "time", clock.redis)
    pair = Pair(seed, clock)
    for number in range(STEPS):
        where = f"step {number} of seed {seed}"
        done = pair.tamper() if pair.random.random() < 0.4 else "nothing"
        what, results = pair.step()
        assert results[0] == results[1], f"{where}: {done}, then {what}"
        held = pair.snapshots()
        assert held[0] == held[1], f"after {where}: {done}, then {what}"
        damage = [[one.part for one in store.take_damage()] for store in pair.stores]
        assert damage[0] == damage[1], f"{where}: {done}, then {what}"
