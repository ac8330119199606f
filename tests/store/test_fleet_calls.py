"""The fleet's calls: Redis and memory share out alike, and never more than there are."""

import random
import time
from dataclasses import replace

import fakeredis
import pytest

from broker.clock import SystemClock
from broker.fleet_calls import CallLimits, CallsGranted, CallsWanted
from broker.limits import Limits
from broker.store.breaker import Breaker
from broker.store.fleet_calls import RedisFleetCalls
from broker.store.scripts import Scripts
from tests.fakes import FakeClock
from tests.memory_store.calls import MemoryFleetCalls

LIMITS = Limits()
WORKERS = ("one", "two", "three", "four")
HOSTILE = (
    "",
    "0 0 0 0 0 0;",
    "x",
    "99999999999999999 1 1 1 1 1;",
    "20000 1 1 99999999999999999 3 5;one 999999999999999 9 9 99999999999999999;",
    f"{'9' * 400} 1 1 1 {'9' * 400} {'9' * 400};one {'9' * 400} 1 1 1;two 1 999 999 1;",
    "50000 0 0 0 0 0;" + "a 1 50 50 1;" * 3,
    "a" * 70_000,
)


class Both:
    """The same calls of a fleet, counted by the script and in memory, under one clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, allowed: CallLimits) -> None:
        self.clock = FakeClock()
        monkeypatch.setattr(time, "time", self.clock.redis)
        self.memory = MemoryFleetCalls(self.clock.redis, allowed, LIMITS)
        self.fake = fakeredis.FakeRedis()
        scripts = Scripts(self.fake, Breaker(SystemClock(), 1.0), "server-1")
        self.redis = RedisFleetCalls(scripts, allowed, LIMITS, "test", "https://canvas")

    def ask(self, wanted: CallsWanted) -> CallsGranted:
        """Ask both; they must agree, also in what they remember."""
        memory, redis = self.memory.ask(wanted), self.redis.ask(wanted)
        assert redis == memory
        assert self.fake.hget(self.redis.key, "state") == self.memory.state.encode()
        return redis

    def write(self, state: str) -> None:
        """Put something there, as whoever can write to Redis may."""
        self.memory.state = state
        self.fake.hset(self.redis.key, "state", state)


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("hostile", [False, True])
def test_step_by_step(seed: int, monkeypatch: pytest.MonkeyPatch, *, hostile: bool) -> None:
    """Random questions, late and doubled ones, refusals, steps of the clock, and a writer."""
    chance = random.Random(seed)
    allowed = CallLimits(chance.choice([1, 3, 20, 100]), chance.choice([1, 5, 20, 500]))
    both = Both(monkeypatch, allowed)
    numbers, last = dict.fromkeys(WORKERS, 0), CallsWanted("one", 0, 0, 1)
    for _ in range(80):
        both.clock.sleep(chance.choice([0.0, 0.01, 0.05, 0.3, 1.0, 30.0]))
        if chance.random() < 0.05:
            both.clock.redis_error += chance.choice([-100.0, -1.0, 5.0, 3600.0])
        if hostile and chance.random() < 0.2:
            both.write(chance.choice(HOSTILE))
        if chance.random() < 0.15:
            both.ask(last)
            continue
        worker = chance.choice(WORKERS)
        numbers[worker] += 1
        number = numbers[worker] - (3 if chance.random() < 0.1 else 0)
        made = chance.randrange(20)
        last = CallsWanted(
            worker,
            max(0, number),
            chance.randrange(min(10, allowed.in_flight) + 1),
            chance.choice([0, 1, 8, 40]),
            chance.choice([-1, 0, allowed.in_flight // 8]),
            made,
            chance.randint(0, made) if chance.random() < 0.3 else 0,
            chance.randrange(3),
        )
        granted = both.ask(last)
        assert 0 <= granted.permits <= max(0, allowed.in_flight - last.holds)


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> Both:
    """Sixteen calls in flight, and more a second than anybody begins."""
    both = Both(monkeypatch, CallLimits(16, 1000))
    both.clock.sleep(1.0)
    both.ask(CallsWanted("one", 1, 0, 0))
    both.clock.sleep(20.0)  # as fast as may be
    return both


def test_workers_have_equal_parts_and_what_others_leave(both: Both) -> None:
    """The first has all while nobody else wants any; then each its part as calls end."""
    assert both.ask(CallsWanted("one", 2, 0, 40)).permits == 16
    assert both.ask(CallsWanted("two", 1, 0, 40)).permits == 0
    assert both.ask(CallsWanted("one", 3, 10, 40)).permits == 0
    assert both.ask(CallsWanted("two", 2, 0, 40)).permits == 6
    assert both.ask(CallsWanted("one", 4, 2, 40)).permits == 6
    assert both.ask(CallsWanted("two", 3, 6, 40)).permits == 2
    assert both.ask(CallsWanted("two", 4, 8, 1)).permits == 0


def test_a_worker_that_wants_little_leaves_the_rest(both: Both) -> None:
    """Its part is not kept free for it."""
    assert both.ask(CallsWanted("one", 2, 0, 1)).permits == 1
    assert both.ask(CallsWanted("two", 1, 0, 40)).permits == 15


def test_what_is_spared_is_for_those_who_spare_nothing(both: Both) -> None:
    """An eighth is left to callers."""
    assert both.ask(CallsWanted("one", 2, 0, 40, spare=2)).permits == 14
    assert both.ask(CallsWanted("two", 1, 0, 40, spare=2)).permits == 0
    assert both.ask(CallsWanted("three", 1, 0, 1, spare=-1)).permits == 1


def test_a_dead_worker_gives_back_after_a_lease(both: Both) -> None:
    """Until then its calls may be in flight."""
    assert both.ask(CallsWanted("one", 2, 0, 40)).permits == 16
    both.clock.sleep(LIMITS.lease - 0.1)
    assert both.ask(CallsWanted("two", 1, 0, 40)).permits == 0
    both.clock.sleep(0.1)
    assert both.ask(CallsWanted("two", 2, 0, 40)).permits == 16


def test_a_question_twice_is_as_once_and_a_late_one_as_none(both: Both) -> None:
    """The retry after a lost answer takes nothing more; a duplicate later undoes nothing."""
    first = CallsWanted("one", 2, 0, 10)
    assert both.ask(first).permits == 10
    assert both.ask(first).permits == 10
    assert both.ask(CallsWanted("two", 1, 0, 40)).permits == 6
    assert both.ask(CallsWanted("one", 3, 10, 0)).permits == 0
    assert both.ask(first).permits == 0
    assert both.ask(CallsWanted("two", 2, 6, 40)).permits == 0


def begun(both: Both, seconds: float, *, workers: int, refused_above: int = 1_000_000) -> list[int]:
    """Let workers begin all calls that they may; return how many in each second."""
    counts, numbers, made = [0] * int(seconds + 2), [10] * workers, [(0, 0)] * workers
    taken: dict[int, int] = {}
    start = both.clock.monotonic()
    while (now := both.clock.monotonic() - start) < seconds:
        for worker in range(workers):
            numbers[worker] += 1
            calls, lost = made[worker]
            wanted = CallsWanted(f"w{worker}", numbers[worker], 0, 12, 0, calls, lost)
            granted, lost = both.ask(wanted), 0
            for place in range(granted.permits):
                second = int(now + granted.first + place * granted.interval)
                counts[second] += 1
                taken[second] = taken.get(second, 0) + 1
                lost += taken[second] > refused_above
            made[worker] = granted.permits, lost
        both.clock.sleep(0.1)
    return counts[: int(seconds)]


def test_calls_of_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are spaced: no second has more than the setting allows, however many workers ask."""
    both = Both(monkeypatch, CallLimits(100, 20))
    counts = begun(both, 20, workers=3)
    assert max(counts) <= 21
    assert sum(counts) >= 19 * 20


def test_the_rate_begins_low_and_doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows yet what Canvas takes."""
    counts = begun(Both(monkeypatch, CallLimits(10_000, 100_000)), 3, workers=16)
    assert 50 <= counts[0] <= 100
    assert counts[0] * 1.7 <= counts[1] <= counts[0] * 2.5


def test_a_limit_that_nobody_told_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Canvas refuses, above 20 a second, is soon little; nearly all that it takes is used."""
    counts = begun(Both(monkeypatch, CallLimits(100, 500)), 60, workers=2, refused_above=20)
    refused = sum(max(0, count - 20) for count in counts)
    assert refused <= 0.1 * sum(counts)
    assert refused_late(counts) <= 0.05 * sum(counts[10:])
    assert sum(min(count, 20) for count in counts) >= 20 * 60 / 1.3


def refused_late(counts: list[int]) -> int:
    """Return how many were refused once the rate was found."""
    return sum(max(0, count - 20) for count in counts[10:])


def test_one_organization_with_a_limit_of_its_own_slows_nobody(both: Both) -> None:
    """One of a hundred calls is refused: of the rate nearly all is left."""
    answers = []
    for number in range(2, 32):
        both.clock.sleep(1.0)
        answers.append(both.ask(CallsWanted("one", number, 0, 1, 0, 100, 1)))
    assert answers[-1].interval <= 1 / 700


def test_the_rate_comes_back(both: Both) -> None:
    """The longer nothing is refused, the faster; from one a second it takes half a minute."""
    answers = []
    for number in range(2, 40):
        both.clock.sleep(0.5)
        answers.append(both.ask(CallsWanted("one", number, 0, 1, 0, 10, 10)))
    assert answers[-1].interval == 1.0
    rates = []
    for number in range(50, 90):
        both.clock.sleep(1.0)
        rates.append(1 / both.ask(CallsWanted("one", number, 0, 1, 0, 10, 0)).interval)
    assert rates[2] < 1.2
    assert rates[35] >= 999


def test_a_call_without_a_permit_of_its_own_counts_for_the_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The one behind a refused refresh: the next permit is an interval later."""
    both = Both(monkeypatch, CallLimits(100, 10))
    assert both.ask(CallsWanted("one", 1, 0, 1)).first == 0.0
    both.clock.sleep(0.1)
    assert both.ask(CallsWanted("one", 2, 1, 1, extra=2)).first == 0.2


@pytest.mark.parametrize("kind", ["string", "list"])
def test_a_key_of_another_type_is_removed(both: Both, kind: str) -> None:
    """Whoever can write may put anything there."""
    both.fake.delete(both.redis.key)
    (both.fake.set if kind == "string" else both.fake.lpush)(both.redis.key, "x")
    wanted = CallsWanted("one", 2, 0, 1)
    assert both.redis.ask(wanted) == replace(both.redis.ask(wanted), first=0.0)
