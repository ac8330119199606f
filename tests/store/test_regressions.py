"""Bugs that other systems' locks had, each by its name; here none of them may come."""

from broker.ports import Failure, GrantStatus, Slot
from tests.store.harness import Harness
from tests.store.test_contract import commit_first, record

TIMEOUT = Failure("timeout", delay=5.0)


def test_lock_deleted_by_someone_who_lost_it(harness: Harness) -> None:
    """Elsewhere a holder that came back late deleted the lock of the one that had it by then."""
    generation = commit_first(harness)
    harness.store.acquire("late", generation, Slot.OWN)
    harness.end_lease()
    harness.store.acquire("holder", generation, Slot.OWN)
    harness.store.fail("late", generation, TIMEOUT, clear_mark=False)
    assert harness.store.read(0).backoff is None
    assert harness.store.acquire("third", generation, Slot.OWN).status is GrantStatus.HELD
    harness.store.commit("late", generation - 1, record(harness, name="late"), None)
    assert harness.store.acquire("third", generation, Slot.OWN).status is GrantStatus.HELD


def test_lock_held_by_nobody_after_a_lost_reply(harness: Harness) -> None:
    """Elsewhere a client repeated its lost request, found the lock taken by itself, and waited."""
    harness.store.acquire("a", 0, Slot.NONE)
    assert harness.store.acquire("a", 0, Slot.NONE).status is GrantStatus.GRANTED
    harness.store.fail("a", 0, TIMEOUT, clear_mark=False)
    harness.end_backoff()
    assert harness.store.acquire("a", 0, Slot.NONE).status is GrantStatus.ENDED
    assert harness.store.acquire("b", 0, Slot.NONE).status is GrantStatus.GRANTED


def test_loser_deleting_the_winners_tokens(harness: Harness) -> None:
    """Elsewhere a failure of the second wrote over, or deleted, what the first had stored."""
    generation = commit_first(harness)
    harness.store.acquire("loser", generation, Slot.OWN)
    harness.end_lease()
    harness.store.acquire("winner", generation, Slot.OWN)
    stands = harness.store.commit("winner", generation, record(harness, name="won"), None)
    harness.store.fail("loser", generation, TIMEOUT, clear_mark=True)
    late = harness.store.commit("loser", generation, record(harness, name="lost"), None)
    assert late.superseded
    found = harness.store.read(0)
    assert found.generation == stands.generation
    assert found.record is not None
    assert found.record.access_token.reveal() == "access-won"
    assert found.backoff is None
    assert not found.presented
