"""A long pause is heeded where the process that left it vouches for it, and nowhere else."""

from dataclasses import replace
from typing import Any

import pytest

from broker.limits import Limits
from broker.ports import Backoff, Failure, GrantStatus, Slot
from broker.store.redis_store import RedisRecordStore
from broker.store_damage import Damage, Defect, Part
from tests.store.harness import Harness, MemoryHarness, RedisHarness
from tests.store.test_contract import commit_first

LIMITS = Limits()
FORGED = (Damage(Part.BACKOFF, Defect.SEAL),)


def refuse(harness: Harness, attempt: str = "a", delay: float = 900.0) -> int:
    """Let Canvas refuse the keys, or ask for a pause; return the generation."""
    generation = harness.store.read(0).generation
    harness.store.acquire(attempt, generation, Slot.NONE)
    latched = delay == LIMITS.latch
    now = harness.now()
    failure = Failure("keys_rejected", delay, latched, int(latched), "host/1", now, now)
    harness.store.fail(attempt, generation, failure, clear_mark=False)
    return generation


def forge(harness: Harness, **fields: Any) -> None:
    """Write to the backoff: ``until`` and ``written`` in seconds from now, or a field as it is."""
    for field, value in fields.items():
        timed = field in {"until", "written"}
        if isinstance(harness, MemoryHarness):
            (shelf,) = harness.server.shelves.values()
            if field == "latched":
                assert shelf.backoff is not None
                shelf.backoff = replace(shelf.backoff, latched=value == "1")
            else:
                name = {"sealed": "backoff_vouch"}.get(field, f"backoff_{field}")
                setattr(shelf, name, harness.now() + value if timed else value)
        elif isinstance(harness, RedisHarness):
            raw = round((harness.now() + value) * 1e6) if timed else value
            harness.client.hset(harness.keys["backoff"], field, raw)


def kept_aside(harness: Harness) -> dict[str, Any]:
    """Return the backoff as a writer reads it, to put it back."""
    if isinstance(harness, MemoryHarness):
        (shelf,) = harness.server.shelves.values()
        return {name: getattr(shelf, name) for name in shelf.__slots__ if "backoff" in name}
    assert isinstance(harness, RedisHarness)
    found: Any = harness.client.hgetall(harness.keys["backoff"])
    return dict(found)


def put_back(harness: Harness, old: dict[Any, Any]) -> None:
    """Write all of it as it was."""
    if isinstance(harness, MemoryHarness):
        (shelf,) = harness.server.shelves.values()
        for name, value in old.items():
            setattr(shelf, name, value)
    elif isinstance(harness, RedisHarness):
        harness.client.hset(harness.keys["backoff"], mapping=old)
        harness.client.pexpire(harness.keys["backoff"], 10**6)


def told(harness: Harness) -> Backoff:
    """Return the backoff, which is there and counts as no damage."""
    backoff = harness.store.read(0).backoff
    assert backoff is not None
    assert harness.store.take_damage() == ()
    return backoff


def is_gone(harness: Harness) -> None:
    """Check that it is removed and told, and that an attempt may be made."""
    snapshot = harness.store.read(0)
    assert snapshot.backoff is None
    assert harness.store.take_damage() == FORGED
    grant = harness.store.acquire("next", snapshot.generation, Slot.NONE)
    assert grant.status is GrantStatus.GRANTED


@pytest.mark.parametrize("delay", [60.0, 900.0])
def test_what_a_process_left(harness: Harness, delay: float) -> None:
    """Whatever its length, on the record that was there."""
    commit_first(harness)
    refuse(harness, delay=delay)
    assert told(harness).vouched
    assert told(harness).remaining == pytest.approx(delay, abs=1)


def test_who_asks_for_the_lease_heeds_it(harness: Harness) -> None:
    """As who looks does."""
    refuse(harness)
    grant = harness.store.acquire("b", 0, Slot.NONE)
    assert grant.status is GrantStatus.PAUSED
    assert grant.snapshot.backoff
    assert grant.snapshot.backoff.vouched


def test_short_ones_need_no_word(harness: Harness) -> None:
    """They pass by themselves, also where somebody made them up."""
    refuse(harness, delay=5.0)
    forge(harness, until=29.0, written=0.0)
    assert told(harness).remaining == pytest.approx(29, abs=1)
    assert not told(harness).vouched


@pytest.mark.parametrize("seconds", [31.0, 300.0, 900.0, 9e6])
def test_a_short_one_made_long(harness: Harness, seconds: float) -> None:
    """Nobody vouches for it."""
    refuse(harness, delay=5.0)
    forge(harness, until=seconds, written=0.0)
    is_gone(harness)


def test_a_short_one_made_a_latch(harness: Harness) -> None:
    """It passes as any short one does."""
    refuse(harness, delay=5.0)
    forge(harness, latched="1")
    assert not told(harness).vouched


def test_a_pause_made_a_latch(harness: Harness) -> None:
    """The word for it does not say so."""
    refuse(harness, delay=300.0)
    forge(harness, latched="1")
    is_gone(harness)


def test_made_longer_than_its_word(harness: Harness) -> None:
    """By more than two operations may take."""
    refuse(harness, delay=300.0)
    forge(harness, until=304.0, written=0.0)
    assert told(harness).vouched
    forge(harness, until=307.0, written=0.0)
    is_gone(harness)


@pytest.mark.parametrize("word", ["", b"x" * 60])
def test_without_its_word(harness: Harness, word: Any) -> None:
    """Taken away, or garbage."""
    refuse(harness)
    forge(harness, sealed=word)
    is_gone(harness)


def test_put_back_after_a_success(harness: Harness) -> None:
    """The record has moved since."""
    refuse(harness)
    old = kept_aside(harness)
    harness.end_backoff()
    commit_first(harness, "b")
    put_back(harness, old)
    is_gone(harness)


def test_put_back_with_another_end(harness: Harness) -> None:
    """Its word tells when it was over."""
    refuse(harness, delay=31.0)
    old = kept_aside(harness)
    harness.end_backoff()
    put_back(harness, old)
    forge(harness, until=40.0, written=0.0)
    is_gone(harness)


def refusals_told(harness: Harness) -> tuple[int, str]:
    """Return how many refusals are told, and which writing was acted on last."""
    backoff = harness.store.read(0).backoff
    assert backoff is not None
    return backoff.refusals, backoff.writing


def test_refusals_that_nobody_met(harness: Harness) -> None:
    """What lies open beside the word is not told: one write would hold keys back for long."""
    refuse(harness)
    if isinstance(harness, MemoryHarness):
        (shelf,) = harness.server.shelves.values()
        assert shelf.backoff is not None
        shelf.backoff = replace(shelf.backoff, refusals=999_999, writing="x/1", acted=harness.now())
    elif isinstance(harness, RedisHarness):
        forged: dict[Any, Any] = {
            "refusals": 999_999,
            "writing": "x/1",
            "acted": round(harness.now() * 1e6),
        }
        harness.client.hset(harness.keys["backoff"], mapping=forged)
    assert refusals_told(harness) == (1, "host/1")
    harness.store.lift("host/2")
    assert told(harness).remaining <= LIMITS.backoff_min


def test_refusals_without_a_word(harness: Harness) -> None:
    """There were none: a short latch that somebody made up is no latch at all."""
    refuse(harness, delay=5.0)
    forge(harness, latched="1")
    assert refusals_told(harness) == (0, "")
    assert not told(harness).latched


@pytest.mark.parametrize("seconds", [0.0, 100.0, 890.0])
def test_refusals_beside_an_end_brought_forward(harness: Harness, seconds: float) -> None:
    """They are not told: whoever tried at once would count on, and so would the next."""
    refuse(harness)
    forge(harness, until=seconds)
    assert refusals_told(harness) == (0, "")
    harness.store.lift("other/2")
    assert told(harness).remaining <= max(seconds, LIMITS.backoff_min)


def test_refusals_of_long_ago(harness: Harness) -> None:
    """A word that was put back tells of refusals in a row for ten minutes after its end."""
    for ago, count in ((590.0, 1), (610.0, 0)):
        now = harness.now() - 900.0 - ago
        failure = Failure("keys_rejected", 900.0, True, 1, "host/1", now, now)
        harness.store.fail(f"{ago}", 0, failure, clear_mark=False)
        forge(harness, until=-ago)
        assert refusals_told(harness) == (count, "host/1" if count else "")


def test_a_lift_of_what_has_changed_meanwhile(harness: Harness) -> None:
    """Whoever comes second changes nothing: the first has sealed another word."""
    if not isinstance(harness, RedisHarness):
        return  # there the two steps are one
    refuse(harness)
    store = harness.store
    assert isinstance(store, RedisRecordStore)
    word = store._run("read", 0)[3]
    store.lift("host/2")
    assert store._run("lift", word, 900_000, b"other") == 0
    assert told(harness).remaining <= LIMITS.backoff_min


def test_a_lift_keeps_its_word(harness: Harness) -> None:
    """It ends sooner, and may."""
    refuse(harness)
    harness.store.lift("host/2")
    assert told(harness).remaining <= LIMITS.backoff_min
    assert told(harness).vouched


def test_a_later_failure_has_no_word_of_an_earlier_one(harness: Harness) -> None:
    """A short pause does not inherit a long one's."""
    generation = commit_first(harness)
    refuse(harness, delay=300.0)
    harness.end_backoff()
    harness.store.acquire("b", generation, Slot.NONE)
    harness.store.fail("b", generation, Failure("timeout", 5.0), clear_mark=False)
    forge(harness, until=200.0, written=0.0)
    is_gone(harness)
