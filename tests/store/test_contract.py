"""The contract of a record store: what ``broker.ports.RecordStore`` promises, on every store."""

from dataclasses import replace

import pytest

from broker.limits import EARLY_REFUSALS, Limits
from broker.ports import Failure, GrantStatus, ReportStatus, Slot
from broker.secret import Secret
from broker.tokens import Flaw, Record, Spare, Stamp
from tests.store.harness import Harness

TIMEOUT = Failure("timeout", delay=5.0)


def latch(harness: Harness) -> Failure:
    """Return what is left behind where Canvas refused the keys for the first time."""
    now = harness.now()
    return Failure("keys_rejected", 900.0, True, 1, "host/1", now, now)


def record(harness: Harness, *, name: str = "one", provisional: int | None = None) -> Record:
    """Return a record of a token that has ten minutes to live."""
    provisional = provisional or round((harness.now() - 1) * 1e6)
    return Record(
        generation=provisional,
        provisional=provisional,
        access_token=Secret(f"access-{name}"),
        lifetime=600.0,
        expires_at=harness.now() + 600.0,
        margin=200.0,
        refresh_token=Secret(f"refresh-{name}"),
        refresh_expires_at=harness.now() + 86400.0,
    )


def commit_first(harness: Harness, attempt: str = "first") -> int:
    """Bring the store from empty to one record, as a cold start does; return its generation."""
    harness.store.acquire(attempt, 0, Slot.NONE)
    return harness.store.commit(attempt, 0, record(harness), None).generation


def spare(harness: Harness) -> Spare:
    """Return a refresh token that came with an unusable access token."""
    return Spare(Secret("refresh-spare"), harness.now() + 86400.0)


def wait_out_lost_lease(harness: Harness, generation: int) -> None:
    """Ask as the first one on a server that may have lost a lease, and let that one run out."""
    assert harness.store.acquire("early", generation, Slot.NONE).status is GrantStatus.HELD
    harness.end_lease()


class TestRead:
    def test_empty(self, harness: Harness) -> None:
        """An organization that nobody has a token for has generation 0 and nothing else."""
        snapshot = harness.store.read(0)
        assert (snapshot.generation, snapshot.record, snapshot.backoff) == (0, None, None)
        assert not snapshot.unchanged
        assert not snapshot.foreign
        assert abs(snapshot.now - harness.now()) < 5

    def test_record_comes_back_whole(self, harness: Harness) -> None:
        """What was committed is read, both tokens and all times, under its generation."""
        stored = record(harness)
        harness.store.acquire("a", 0, Slot.NONE)
        generation = harness.store.commit("a", 0, stored, None).generation
        found = harness.store.read(0).record
        assert found is not None
        assert found.generation == generation
        assert found.access_token == stored.access_token
        assert found.refresh_token == stored.refresh_token
        assert (found.lifetime, found.margin) == (600.0, 200.0)
        assert abs(found.expires_at - stored.expires_at) < 0.001
        assert found.refresh_expires_at == pytest.approx(stored.refresh_expires_at, abs=0.001)
        assert found.flaws == frozenset()

    def test_record_without_a_refresh_token_comes_back_whole(self, harness: Harness) -> None:
        """It is told from one whose refresh token is over, and keeps the flaws of its answer."""
        flaws = frozenset({Flaw.NO_REFRESH_TOKEN, Flaw.NO_PREFIX})
        stored = replace(record(harness), refresh_token=None, refresh_expires_at=None, flaws=flaws)
        harness.store.acquire("a", 0, Slot.NONE)
        harness.store.commit("a", 0, stored, None)
        found = harness.store.read(0).record
        assert found is not None
        assert found.access_token == stored.access_token
        assert (found.refresh_token, found.refresh_expires_at) == (None, None)
        assert found.flaws == flaws

    def test_the_longest_tokens_come_back_whole(self, harness: Harness) -> None:
        """However many pieces the connection brings them in (``broker.upstream.schema``)."""
        long = Secret("a" * 16384), Secret("r" * 1024)
        stored = replace(record(harness), access_token=long[0], refresh_token=long[1])
        harness.store.acquire("a", 0, Slot.NONE)
        harness.store.commit("a", 0, stored, None)
        found = harness.store.read(0).record
        assert found is not None
        assert (found.access_token, found.refresh_token) == long

    def test_known_generation_is_left_out(self, harness: Harness) -> None:
        """A reader that knows the generation is told so and gets no record."""
        generation = commit_first(harness)
        snapshot = harness.store.read(generation)
        assert snapshot.unchanged
        assert snapshot.record is None
        assert snapshot.generation == generation


class TestAcquire:
    def test_cold_start_is_granted_once(self, harness: Harness) -> None:
        """Of two who find nothing, one gets the lease, the other learns that it is held."""
        assert harness.store.acquire("a", 0, Slot.NONE).status is GrantStatus.GRANTED
        held = harness.store.acquire("b", 0, Slot.NONE)
        assert held.status is GrantStatus.HELD
        assert 0 < held.snapshot.lease_remaining <= 25

    def test_grant_burns_the_refresh_token(self, harness: Harness) -> None:
        """Whoever gets the lease has marked the refresh token, before any call is made."""
        generation = commit_first(harness)
        grant = harness.store.acquire("a", generation, Slot.OWN)
        assert (grant.status, grant.slot) == (GrantStatus.GRANTED, Slot.OWN)
        assert grant.snapshot.record is not None
        assert grant.snapshot.record.refresh_token == Secret("refresh-one")
        assert harness.store.read(0).presented

    def test_successor_of_a_dead_holder_authenticates(self, harness: Harness) -> None:
        """The mark outlives the lease: the next holder gets no refresh token."""
        generation = commit_first(harness)
        harness.store.acquire("dead", generation, Slot.OWN)
        harness.end_lease()
        grant = harness.store.acquire("next", generation, Slot.OWN)
        assert (grant.status, grant.slot) == (GrantStatus.GRANTED, Slot.NONE)

    def test_twice_is_as_once(self, harness: Harness) -> None:
        """An attempt that asks again, its answer lost, gets the same answer and the same token."""
        generation = commit_first(harness)
        first = harness.store.acquire("a", generation, Slot.OWN)
        again = harness.store.acquire("a", generation, Slot.OWN)
        assert (again.status, again.slot) == (first.status, first.slot)
        assert harness.store.acquire("b", generation, Slot.OWN).status is GrantStatus.HELD

    def test_late_duplicate_leaves_no_ghost(self, harness: Harness) -> None:
        """An attempt that has ended gets no second lease, however late its request arrives."""
        generation = commit_first(harness)
        harness.store.acquire("a", generation, Slot.OWN)
        harness.store.fail("a", generation, TIMEOUT, clear_mark=False)
        harness.end_backoff()
        assert harness.store.acquire("a", generation, Slot.OWN).status is GrantStatus.ENDED
        assert harness.store.acquire("first", generation, Slot.OWN).status is GrantStatus.ENDED
        assert harness.store.acquire("b", generation, Slot.OWN).status is GrantStatus.GRANTED

    def test_late_duplicate_after_the_lease_ran_out(self, harness: Harness) -> None:
        """The burn mark remembers the attempt when nothing else does."""
        generation = commit_first(harness)
        harness.store.acquire("a", generation, Slot.OWN)
        harness.end_lease()
        assert harness.store.acquire("a", generation, Slot.OWN).status is GrantStatus.ENDED

    def test_moved(self, harness: Harness) -> None:
        """Who expects an old generation gets the new record instead of the lease."""
        commit_first(harness)
        grant = harness.store.acquire("a", 0, Slot.NONE)
        assert grant.status is GrantStatus.MOVED
        assert grant.snapshot.record is not None

    def test_lease_of_another_server_starts_anew(self, harness: Harness) -> None:
        """After a failover the lease still holds, counted by the new server's clock."""
        harness.store.acquire("a", 0, Slot.NONE)
        harness.move()
        held = harness.store.acquire("b", 0, Slot.NONE)
        assert held.status is GrantStatus.HELD
        assert 20 < held.snapshot.lease_remaining <= 25


class TestCommit:
    def test_generation_grows_with_redis_time(self, harness: Harness) -> None:
        """A generation is the microsecond of its commit, and above the one before."""
        first = commit_first(harness)
        assert abs(first / 1e6 - harness.now()) < 5
        harness.store.acquire("b", first, Slot.OWN)
        assert harness.store.commit("b", first, record(harness), None).generation > first

    def test_generation_is_at_least_the_provisional_one(self, harness: Harness) -> None:
        """What was served before the commit landed does not count backwards."""
        ahead = round((harness.now() + 3600) * 1e6)
        harness.store.acquire("a", 0, Slot.NONE)
        committed = harness.store.commit("a", 0, record(harness, provisional=ahead), None)
        assert committed.generation == ahead

    def test_generation_grows_when_the_clock_goes_back(self, harness: Harness) -> None:
        """A server whose clock is behind still counts up."""
        ahead = round((harness.now() + 3600) * 1e6)
        harness.store.acquire("a", 0, Slot.NONE)
        harness.store.commit("a", 0, record(harness, provisional=ahead), None)
        harness.store.acquire("b", ahead, Slot.OWN)
        assert harness.store.commit("b", ahead, record(harness), None).generation == ahead + 1

    def test_twice_is_as_once(self, harness: Harness) -> None:
        """A commit whose reply was lost is repeated and gives the same generation."""
        harness.store.acquire("a", 0, Slot.NONE)
        first = harness.store.commit("a", 0, record(harness), None)
        assert harness.store.commit("a", 0, record(harness, name="two"), None) == first
        found = harness.store.read(0).record
        assert found is not None
        assert found.access_token == Secret("access-one")

    def test_late_commit_is_taken_if_nobody_else_committed(self, harness: Harness) -> None:
        """A holder that was paused past its lease still brings a fresh pair."""
        generation = commit_first(harness)
        harness.store.acquire("slow", generation, Slot.OWN)
        harness.end_lease()
        late = harness.store.commit("slow", generation, record(harness, name="late"), None)
        assert not late.superseded
        found = harness.store.read(0).record
        assert found is not None
        assert found.access_token == Secret("access-late")

    def test_late_commit_is_refused_if_somebody_committed(self, harness: Harness) -> None:
        """Compare-and-set: the newer record stands, its lease too."""
        generation = commit_first(harness)
        harness.store.acquire("slow", generation, Slot.OWN)
        harness.end_lease()
        harness.store.acquire("next", generation, Slot.OWN)
        newer = harness.store.commit("next", generation, record(harness, name="next"), None)
        harness.store.acquire("third", newer.generation, Slot.OWN)
        late = harness.store.commit("slow", generation, record(harness, name="late"), None)
        assert late.superseded
        assert late.generation == newer.generation
        snapshot = harness.store.read(0)
        assert snapshot.record is not None
        assert snapshot.record.access_token == Secret("access-next")
        assert snapshot.lease_remaining > 0

    def test_commit_after_the_store_lost_its_record(self, harness: Harness) -> None:
        """A failover that lost the record does not refuse the fresh one."""
        generation = commit_first(harness)
        harness.store.acquire("a", generation, Slot.OWN)
        harness.lose()
        committed = harness.store.commit("a", generation, record(harness, name="two"), None)
        assert not committed.superseded
        assert committed.generation > 0

    def test_ends_lease_mark_backoff_and_refusal(self, harness: Harness) -> None:
        """After a commit the next attempt finds everything clean."""
        generation = commit_first(harness)
        harness.store.acquire("a", generation, Slot.OWN)
        harness.store.fail("a", generation, TIMEOUT, clear_mark=False)
        harness.end_backoff()
        harness.store.acquire("b", generation, Slot.OWN)
        harness.store.commit("b", generation, record(harness), None)
        snapshot = harness.store.read(0)
        assert (snapshot.backoff, snapshot.lease_remaining) == (None, 0)
        assert not snapshot.presented
        assert not snapshot.refused

    def test_short_lived_record_leaves_a_backoff(self, harness: Harness) -> None:
        """A token that is served although it is a failure does not start a loop."""
        harness.store.acquire("a", 0, Slot.NONE)
        generation = harness.store.commit("a", 0, record(harness), TIMEOUT).generation
        assert harness.store.acquire("b", generation, Slot.OWN).status is GrantStatus.PAUSED


class TestFail:
    def test_backoff_is_for_all(self, harness: Harness) -> None:
        """One failure pauses everyone, and says why."""
        harness.store.acquire("a", 0, Slot.NONE)
        before = harness.now()
        harness.store.fail("a", 0, TIMEOUT, clear_mark=False)
        paused = harness.store.acquire("b", 0, Slot.NONE)
        assert paused.status is GrantStatus.PAUSED
        backoff = paused.snapshot.backoff
        assert backoff is not None
        assert (backoff.failures, backoff.failure, backoff.latched) == (1, "timeout", False)
        least = TIMEOUT.delay - (paused.snapshot.now - before)
        assert least - 0.01 <= backoff.remaining <= TIMEOUT.delay

    def test_failures_are_counted(self, harness: Harness) -> None:
        """Failures in a row add up until a commit."""
        for number in (1, 2, 3):
            attempt = f"attempt-{number}"
            harness.store.acquire(attempt, 0, Slot.NONE)
            harness.store.fail(attempt, 0, TIMEOUT, clear_mark=False)
            backoff = harness.store.read(0).backoff
            assert backoff is not None
            assert backoff.failures == number
            harness.end_backoff()

    def test_latch(self, harness: Harness) -> None:
        """Refused keys are told apart from a passing fault."""
        harness.store.acquire("a", 0, Slot.NONE)
        harness.store.fail("a", 0, latch(harness), clear_mark=False)
        backoff = harness.store.read(0).backoff
        assert backoff is not None
        assert backoff.latched
        assert backoff.remaining > 890

    @pytest.mark.parametrize("latched", [False, True])
    def test_what_is_known_of_refusals(self, harness: Harness, *, latched: bool) -> None:
        """It is told with each failure, also after its pause is over."""
        failure = Failure("timeout", 5.0, latched, 2, "host/1", 7.25, harness.now())
        harness.store.acquire("a", 0, Slot.NONE)
        harness.store.fail("a", 0, failure, clear_mark=False)
        for ended in (False, True):
            backoff = harness.store.read(0).backoff
            assert backoff is not None
            assert (backoff.refusals, backoff.writing, backoff.acted) == (2, "host/1", 7.25)
            assert (backoff.remaining == 0, backoff.latched) == (ended, latched)
            harness.end_backoff()

    def test_success_forgets_refusals(self, harness: Harness) -> None:
        """The next refusal is the first again."""
        harness.store.acquire("a", 0, Slot.NONE)
        harness.store.fail("a", 0, latch(harness), clear_mark=False)
        harness.end_backoff()
        generation = commit_first(harness, "b")
        harness.store.acquire("c", generation, Slot.NONE)
        harness.store.fail("c", generation, TIMEOUT, clear_mark=False)
        backoff = harness.store.read(0).backoff
        assert backoff is not None
        assert (backoff.failures, backoff.refusals) == (1, 0)

    def test_twice_is_as_once(self, harness: Harness) -> None:
        """A failure told twice counts once."""
        harness.store.acquire("a", 0, Slot.NONE)
        harness.store.fail("a", 0, TIMEOUT, clear_mark=False)
        harness.store.fail("a", 0, TIMEOUT, clear_mark=False)
        backoff = harness.store.read(0).backoff
        assert backoff is not None
        assert backoff.failures == 1

    def test_definite_failure_frees_the_refresh_token(self, harness: Harness) -> None:
        """A request that never left may be made again with the same refresh token."""
        generation = commit_first(harness)
        harness.store.acquire("a", generation, Slot.OWN)
        harness.store.fail("a", generation, TIMEOUT, clear_mark=True)
        harness.end_backoff()
        assert harness.store.acquire("b", generation, Slot.OWN).slot is Slot.OWN

    def test_ambiguous_failure_keeps_the_mark(self, harness: Harness) -> None:
        """A request that may have arrived spends its refresh token."""
        generation = commit_first(harness)
        harness.store.acquire("a", generation, Slot.OWN)
        harness.store.fail("a", generation, TIMEOUT, clear_mark=False)
        harness.end_backoff()
        assert harness.store.acquire("b", generation, Slot.OWN).slot is Slot.NONE

    def test_nobody_clears_anothers_mark(self, harness: Harness) -> None:
        """A failed Authenticate of a successor does not free what the dead holder presented."""
        generation = commit_first(harness)
        harness.store.acquire("dead", generation, Slot.OWN)
        harness.end_lease()
        harness.store.acquire("next", generation, Slot.OWN)
        harness.store.fail("next", generation, TIMEOUT, clear_mark=True)
        harness.end_backoff()
        assert harness.store.acquire("third", generation, Slot.OWN).slot is Slot.NONE

    def test_late_failure_disturbs_nobody(self, harness: Harness) -> None:
        """Who lost the lease neither ends the next holder's nor pauses the fleet."""
        generation = commit_first(harness)
        harness.store.acquire("slow", generation, Slot.OWN)
        harness.end_lease()
        harness.store.acquire("next", generation, Slot.OWN)
        harness.store.fail("slow", generation, TIMEOUT, clear_mark=False)
        snapshot = harness.store.read(0)
        assert snapshot.backoff is None
        assert snapshot.lease_remaining > 0

    def test_failure_after_a_success_is_forgotten(self, harness: Harness) -> None:
        """A token that is there is not displaced or paused by an old attempt's error."""
        harness.store.acquire("slow", 0, Slot.NONE)
        harness.end_lease()
        commit_first(harness, "next")
        harness.store.fail("slow", 0, TIMEOUT, clear_mark=False)
        snapshot = harness.store.read(0)
        assert snapshot.backoff is None
        assert snapshot.record is not None

    def test_backoff_of_another_server_is_over(self, harness: Harness) -> None:
        """Its end was told by another clock, which may be far off."""
        harness.store.acquire("a", 0, Slot.NONE)
        harness.store.fail("a", 0, latch(harness), clear_mark=False)
        harness.move()
        assert harness.store.acquire("b", 0, Slot.NONE).status is GrantStatus.GRANTED


class TestLift:
    def test_next_attempt_is_a_probe(self, harness: Harness) -> None:
        """A second later, as after any attempt; the number of refusals is not forgotten."""
        refuse(harness, "a")
        harness.store.lift("host/2")
        backoff = harness.store.read(0).backoff
        assert backoff is not None
        assert 0 < backoff.remaining <= Limits().backoff_min
        assert (backoff.refusals, backoff.latched) == (1, True)

    def test_a_writing_counts_once(self, harness: Harness) -> None:
        """Whoever sees it later, or whose answer was lost, lifts nothing again."""
        refuse(harness, "a")
        harness.store.lift("host/2")
        harness.store.lift("host/2")
        refuse(harness, "b")
        harness.store.lift("host/2")
        assert is_paused(harness)
        harness.store.lift("host/3")
        assert not is_paused(harness)

    def test_the_refused_writing_does_not_count(self, harness: Harness) -> None:
        """It is what Canvas has just refused."""
        refuse(harness, "a")
        harness.store.lift("host/1")
        assert is_paused(harness)

    def test_another_host_sees_the_same_writing(self, harness: Harness) -> None:
        """By another name, and within a minute or so: it is no new one."""
        refuse(harness, "a")
        harness.store.lift("host/2")
        refuse(harness, "b")
        harness.store.lift("other/2")
        assert is_paused(harness)

    def test_after_the_early_refusals_not_again_at_once(self, harness: Harness) -> None:
        """Six refused calls are enough for a quarter of an hour."""
        for number in range(EARLY_REFUSALS):
            harness.store.lift(f"host/{number + 2}")
            assert not is_paused(harness)
            refuse(harness, f"attempt-{number}")
        harness.store.lift("host/9")
        assert is_paused(harness)

    def test_another_backoff_stays(self, harness: Harness) -> None:
        """Only refused keys wait for the operator."""
        harness.store.acquire("a", 0, Slot.NONE)
        harness.store.fail("a", 0, TIMEOUT, clear_mark=False)
        harness.store.lift("host/2")
        assert is_paused(harness)

    def test_a_success_forgets_it(self, harness: Harness) -> None:
        """A later latch is another one: a writing that lifted the last may lift it."""
        refuse(harness, "a")
        harness.store.lift("host/2")
        generation = commit_first(harness, "b")
        refuse(harness, "c", generation)
        harness.store.lift("host/2")
        assert not is_paused(harness)

    def test_where_nothing_is(self, harness: Harness) -> None:
        """It leaves nothing behind."""
        harness.store.lift("host/2")
        assert harness.store.read(0).backoff is None


def refuse(harness: Harness, attempt: str, generation: int = 0) -> None:
    """Let Canvas refuse the keys, and count it as who holds the lease does."""
    before = harness.store.read(0).backoff
    failure = latch(harness)
    if before is not None:
        harness.end_backoff()
        failure = replace(failure, refusals=before.refusals + 1, acted=before.acted)
        failure = replace(failure, writing=before.writing)
    grant = harness.store.acquire(attempt, generation, Slot.NONE)
    assert grant.status is GrantStatus.GRANTED
    harness.store.fail(attempt, generation, failure, clear_mark=False)


def is_paused(harness: Harness) -> bool:
    """Tell whether a backoff runs that was not lifted."""
    backoff = harness.store.read(0).backoff
    return backoff is not None and backoff.remaining > Limits().backoff_min


class TestSpare:
    def test_spare_is_presented_next(self, harness: Harness) -> None:
        """A good refresh token with a bad access token is kept beside the record and used."""
        generation = commit_first(harness)
        grant = harness.store.acquire("a", generation, Slot.OWN)
        harness.store.commit_spare(grant, spare(harness), TIMEOUT)
        snapshot = harness.store.read(0)
        assert snapshot.generation == generation
        assert snapshot.record is not None
        assert snapshot.record.access_token == Secret("access-one")
        assert snapshot.spare is not None
        assert snapshot.backoff is not None
        harness.end_backoff()
        grant = harness.store.acquire("b", generation, Slot.SPARE)
        assert grant.slot is Slot.SPARE
        assert grant.snapshot.spare is not None
        assert grant.snapshot.spare.refresh_token == Secret("refresh-spare")

    def test_spare_is_burned_too(self, harness: Harness) -> None:
        """The spare is presented once, and the record's own was spent for it."""
        generation = commit_first(harness)
        grant = harness.store.acquire("a", generation, Slot.NONE)
        harness.store.commit_spare(grant, spare(harness), TIMEOUT)
        harness.end_backoff()
        harness.store.acquire("dead", generation, Slot.SPARE)
        harness.end_lease()
        snapshot = harness.store.read(0)
        assert snapshot.spare is None
        assert snapshot.presented
        assert harness.store.acquire("b", generation, Slot.SPARE).slot is Slot.NONE

    def test_spare_without_a_record(self, harness: Harness) -> None:
        """It may come before any usable token; the generation stays 0."""
        grant = harness.store.acquire("a", 0, Slot.NONE)
        first = harness.store.commit_spare(grant, spare(harness), TIMEOUT)
        assert not first.superseded
        assert harness.store.commit_spare(grant, spare(harness), TIMEOUT) == first
        snapshot = harness.store.read(0)
        assert (snapshot.generation, snapshot.record) == (0, None)
        assert snapshot.spare is not None
        assert snapshot.backoff is not None
        assert snapshot.backoff.failures == 1

    def test_beside_another_record(self, harness: Harness) -> None:
        """One that was kept beside an earlier record, or says that of this one."""
        generation = commit_first(harness)
        for beside, told in ((generation - 1, False), (generation, True)):
            kept = replace(spare(harness), generation=beside)
            grant = harness.store.acquire(f"{beside}", generation, Slot.NONE)
            harness.store.commit_spare(grant, kept, TIMEOUT)
            assert (harness.store.read(0).spare == kept) is told
            harness.end_backoff()

    def test_superseded(self, harness: Harness) -> None:
        """It is dropped when somebody has committed meanwhile."""
        grant = harness.store.acquire("slow", 0, Slot.NONE)
        harness.end_lease()
        commit_first(harness, "next")
        assert harness.store.commit_spare(grant, spare(harness), TIMEOUT).superseded
        assert harness.store.read(0).spare is None

    def test_late_duplicate_does_not_bring_a_presented_spare_back(self, harness: Harness) -> None:
        """A duplicate that arrives after the next attempt's spare finds its lease gone."""
        grant = harness.store.acquire("a", 0, Slot.NONE)
        harness.store.commit_spare(grant, spare(harness), TIMEOUT)
        harness.end_backoff()
        later_grant = harness.store.acquire("b", 0, Slot.SPARE)
        newer = Spare(Secret("refresh-newer"), harness.now() + 86400.0)
        harness.store.commit_spare(later_grant, newer, TIMEOUT)
        assert harness.store.commit_spare(grant, spare(harness), TIMEOUT).superseded
        found = harness.store.read(0).spare
        assert found is not None
        assert found.refresh_token == Secret("refresh-newer")

    def test_late_duplicates_of_both_do_not_bring_it_back(self, harness: Harness) -> None:
        """That of the acquire takes the lease, but the spare came under another grant."""
        grants = {}
        for name, wish in (("first", Slot.NONE), ("a", Slot.SPARE), ("b", Slot.SPARE)):
            grants[name] = harness.store.acquire(name, 0, wish)
            harness.store.commit_spare(grants[name], spare(harness), TIMEOUT)
            harness.end_backoff()
        duplicate = harness.store.acquire("a", 0, Slot.SPARE)
        assert (duplicate.status, duplicate.slot) == (GrantStatus.GRANTED, Slot.SPARE)
        assert harness.store.commit_spare(grants["a"], spare(harness), TIMEOUT).superseded
        assert harness.store.read(0).spare is None

    def test_who_lost_the_answer_to_acquire_keeps_a_spare(self, harness: Harness) -> None:
        """The same attempt asks again and is told of the grant that it has."""
        first = harness.store.acquire("a", 0, Slot.NONE)
        grant = harness.store.acquire("a", 0, Slot.NONE)
        assert grant.fence == first.fence != ""
        assert not harness.store.commit_spare(grant, spare(harness), TIMEOUT).superseded


class TestFailover:
    def test_foreign_refresh_token_counts_as_spent(self, harness: Harness) -> None:
        """A mark may be lost in a failover: a token from before it is not presented."""
        generation = commit_first(harness)
        harness.move()
        assert harness.store.read(0).foreign
        wait_out_lost_lease(harness, generation)
        grant = harness.store.acquire("a", generation, Slot.OWN)
        assert (grant.status, grant.slot) == (GrantStatus.GRANTED, Slot.NONE)

    def test_foreign_spare_counts_as_spent(self, harness: Harness) -> None:
        """The same holds for a spare."""
        grant = harness.store.acquire("a", 0, Slot.NONE)
        harness.store.commit_spare(grant, spare(harness), TIMEOUT)
        harness.move()
        assert harness.store.read(0).spare is None
        wait_out_lost_lease(harness, 0)
        assert harness.store.acquire("b", 0, Slot.SPARE).slot is Slot.NONE

    def test_lost_lease_is_waited_out(self, harness: Harness) -> None:
        """The lease may be lost too, its holder talking to Canvas: nobody else does so."""
        generation = commit_first(harness)
        harness.move()
        held = harness.store.acquire("a", generation, Slot.OWN)
        assert held.status is GrantStatus.HELD
        assert 20 < held.snapshot.lease_remaining <= 25
        assert harness.store.acquire("b", generation, Slot.OWN).status is GrantStatus.HELD
        harness.end_lease()
        assert harness.store.acquire("c", generation, Slot.OWN).status is GrantStatus.GRANTED

    def test_lease_taken_before_republishing_does_not_end_the_wait(self, harness: Harness) -> None:
        """Who knew nothing of the record goes on; when it ends, the lost lease still stands."""
        harness.store.acquire("newborn", 0, Slot.NONE)
        harness.store.republish(record(harness, provisional=7))
        harness.store.fail("newborn", 0, Failure("superseded", 0.001), clear_mark=False)
        harness.end_backoff()
        assert harness.store.acquire("b", 7, Slot.NONE).status is GrantStatus.HELD

    def test_lost_lease_is_waited_out_after_republishing(self, harness: Harness) -> None:
        """The same holds for a server that lost its record, and got it back."""
        stored = record(harness, provisional=commit_first(harness))
        harness.lose()
        harness.store.republish(stored)
        generation = stored.generation
        assert harness.store.acquire("a", generation, Slot.OWN).status is GrantStatus.HELD
        harness.end_lease()
        assert harness.store.acquire("b", generation, Slot.OWN).status is GrantStatus.GRANTED

    def test_republished_record_comes_back_spent(self, harness: Harness) -> None:
        """A lost record is put back under its generation; its refresh token is not trusted."""
        stored = record(harness, provisional=commit_first(harness))
        harness.lose()
        harness.store.republish(stored)
        snapshot = harness.store.read(0)
        assert snapshot.generation == stored.generation
        assert snapshot.record is not None
        assert snapshot.record.access_token == Secret("access-one")
        assert snapshot.presented
        assert not snapshot.foreign

    def test_republished_foreign_record_is_at_home(self, harness: Harness) -> None:
        """A record that survived a failover gets the new server's name."""
        stored = record(harness, provisional=commit_first(harness))
        harness.move()
        harness.store.republish(stored)
        snapshot = harness.store.read(0)
        assert not snapshot.foreign
        assert snapshot.presented

    def test_republishing_changes_nothing_newer(self, harness: Harness) -> None:
        """A newer record, or the same at home, stays as it is, its refresh token usable."""
        generation = commit_first(harness)
        harness.store.republish(record(harness, name="old", provisional=generation - 1))
        harness.store.republish(record(harness, name="same", provisional=generation))
        snapshot = harness.store.read(0)
        assert snapshot.record is not None
        assert snapshot.record.access_token == Secret("access-one")
        assert not snapshot.presented


class TestReport:
    def test_once_per_generation(self, harness: Harness) -> None:
        """However many report a generation, one report is acted on."""
        commit_first(harness)
        harness.age(11)
        generation = harness.store.read(0).generation
        assert harness.store.report(generation) is ReportStatus.ACCEPTED
        assert harness.store.report(generation) is ReportStatus.KNOWN
        assert harness.store.read(0).refused

    def test_old_generation(self, harness: Harness) -> None:
        """A report about a generation that is not current changes nothing."""
        generation = commit_first(harness)
        assert harness.store.report(generation - 1) is ReportStatus.MOVED
        assert not harness.store.read(0).refused

    def test_young_token_is_not_doubted(self, harness: Harness) -> None:
        """A token younger than ten seconds is not replaced."""
        assert harness.store.report(commit_first(harness)) is ReportStatus.YOUNG

    def test_once_a_minute(self, harness: Harness) -> None:
        """A second forced refresh waits, whatever the generation."""
        commit_first(harness)
        harness.age(11)
        generation = harness.store.read(0).generation
        assert harness.store.report(generation) is ReportStatus.ACCEPTED
        harness.store.acquire("b", generation, Slot.NONE)
        harness.store.commit("b", generation, record(harness), None)
        harness.age(11)
        assert harness.store.report(harness.store.read(0).generation) is ReportStatus.THROTTLED


class TestClockSteps:
    """Redis's clock is set while it runs."""

    def test_time_before_a_stored_instant_proves_it(self, harness: Harness) -> None:
        """A record that seems to be written in the future counts as another server's."""
        generation = commit_first(harness)
        harness.set_back(600)
        assert harness.store.read(0).foreign
        assert harness.store.acquire("a", generation, Slot.OWN).status is GrantStatus.HELD

    def test_lease_is_never_longer_than_a_lease(self, harness: Harness) -> None:
        """Its end is an instant to Redis: ten minutes back would make it ten minutes longer."""
        harness.store.acquire("a", 0, Slot.NONE)
        harness.set_back(600)
        held = harness.store.acquire("b", 0, Slot.NONE)
        assert held.status is GrantStatus.HELD
        assert 20 < held.snapshot.lease_remaining <= 25
        mine = harness.store.acquire("a", 0, Slot.NONE)
        assert (mine.status, mine.snapshot.lease_remaining <= 25) == (GrantStatus.GRANTED, True)

    def test_backoff_is_over(self, harness: Harness) -> None:
        """Nobody knows how much of it is left; failures in a row are counted on."""
        harness.store.fail("a", 0, latch(harness), clear_mark=False)
        harness.set_back(600)
        backoff = harness.store.read(0).backoff
        assert backoff is not None
        assert (backoff.remaining, backoff.failures) == (0, 1)
        assert harness.store.acquire("b", 0, Slot.NONE).status is GrantStatus.GRANTED

    def test_reports_are_taken(self, harness: Harness) -> None:
        """Neither the token's age nor the minute between two reports is known any more."""
        commit_first(harness)
        harness.age(11)
        generation = harness.store.read(0).generation
        assert harness.store.report(generation) is ReportStatus.ACCEPTED
        harness.store.acquire("b", generation, Slot.NONE)
        harness.store.commit("b", generation, record(harness), None)
        harness.age(11)
        generation = harness.store.read(0).generation
        harness.set_back(600)
        assert harness.store.report(generation) is ReportStatus.ACCEPTED

    def test_who_noticed_notes_it(self, harness: Harness) -> None:
        """What lies there counts as another server's, and one lease time passes."""
        generation = commit_first(harness)
        harness.store.fail("x", generation, TIMEOUT, clear_mark=False)
        harness.store.note_clock_step()
        snapshot = harness.store.read(0)
        assert snapshot.foreign
        assert snapshot.written <= snapshot.now
        assert snapshot.backoff is not None
        assert (snapshot.backoff.remaining, snapshot.backoff.failures) == (0, 1)
        assert 20 < snapshot.lease_remaining <= 25
        harness.end_lease()
        grant = harness.store.acquire("a", generation, Slot.OWN)
        assert (grant.status, grant.slot) == (GrantStatus.GRANTED, Slot.NONE)

    def test_a_late_republishing_is_waited_out_once(self, harness: Harness) -> None:
        """It comes when its times are not right any more, and counts as another server's."""
        stamp = Stamp(harness.now() - 40, 0.0)
        harness.store.republish(replace(record(harness), stamp=stamp))
        snapshot = harness.store.read(0)
        assert snapshot.foreign
        assert harness.store.acquire("a", snapshot.generation, Slot.NONE).status is GrantStatus.HELD
        harness.end_lease()
        grant = harness.store.acquire("b", snapshot.generation, Slot.OWN)
        assert (grant.status, grant.slot) == (GrantStatus.GRANTED, Slot.NONE)

    def test_nothing_is_there_but_a_call_in_flight(self, harness: Harness) -> None:
        """Its lease may have ended too soon: nobody else gets one meanwhile; its commit counts."""
        harness.store.acquire("a", 0, Slot.NONE)
        harness.end_lease()
        harness.store.note_clock_step()
        assert harness.store.acquire("b", 0, Slot.NONE).status is GrantStatus.HELD
        assert not harness.store.commit("a", 0, record(harness), None).superseded
        assert not harness.store.read(0).foreign

    def test_living_lease_stays_its_holders(self, harness: Harness) -> None:
        """The holder ends it as ever."""
        harness.store.acquire("a", 0, Slot.NONE)
        harness.store.note_clock_step()
        assert harness.store.acquire("b", 0, Slot.NONE).status is GrantStatus.HELD
        harness.store.commit("a", 0, record(harness), None)
        assert harness.store.read(0).lease_remaining == 0

    def test_foreign_spare(self, harness: Harness) -> None:
        """A refresh token kept beside the record is not presented any more."""
        grant = harness.store.acquire("a", 0, Slot.NONE)
        harness.store.commit_spare(grant, spare(harness), TIMEOUT)
        harness.store.note_clock_step()
        assert harness.store.read(0).spare is None

    def test_record_timed_by_another_clock_is_foreign(self, harness: Harness) -> None:
        """Its writer reckoned Redis's time wrong: the clock was set since the lease was granted."""
        for error, foreign in ((-600.0, True), (0.0, False), (600.0, True), (-1.5, False)):
            generation = harness.store.read(0).generation
            stamp = Stamp(harness.now() + error, host=7.0)
            stored = replace(record(harness), stamp=stamp)
            harness.store.commit(f"at {error}", generation, stored, None)
            snapshot = harness.store.read(0)
            assert snapshot.foreign is foreign
            assert snapshot.record is not None
            assert snapshot.record.stamp == stamp
            harness.store.republish(replace(stored, generation=snapshot.generation + 1))
            assert harness.store.read(0).foreign is foreign


class TestTold:
    """What the fleet is told of: each change that others are to know, once, and nothing else."""

    def test_commit(self, harness: Harness) -> None:
        """A new record, by its generation; what is repeated or superseded is not told."""
        generation = commit_first(harness)
        assert harness.told() == [generation]
        stored = record(harness)
        assert harness.store.commit("first", 0, stored, None).generation == generation
        assert harness.store.commit("late", 0, stored, None).superseded
        assert harness.told() == []

    def test_failure(self, harness: Harness) -> None:
        """The backoff and the end of the lease."""
        harness.store.acquire("a", 0, Slot.NONE)
        harness.store.fail("a", 0, TIMEOUT, clear_mark=False)
        assert harness.told() == [0]
        harness.store.fail("a", 0, TIMEOUT, clear_mark=False)
        assert harness.told() == []

    def test_spare(self, harness: Harness) -> None:
        """A failure all the same."""
        grant = harness.store.acquire("a", 0, Slot.NONE)
        harness.store.commit_spare(grant, spare(harness), TIMEOUT)
        assert harness.told() == [0]

    def test_report(self, harness: Harness) -> None:
        """One that was accepted."""
        generation = commit_first(harness)
        assert harness.store.report(generation) is ReportStatus.YOUNG
        assert harness.told() == [generation]
        harness.age(11)
        known = harness.store.read(0).generation
        assert harness.store.report(known) is ReportStatus.ACCEPTED
        assert harness.store.report(known) is ReportStatus.KNOWN
        assert harness.told() == [0]

    def test_put_back(self, harness: Harness) -> None:
        """A record that was lost."""
        generation = commit_first(harness)
        harness.lose()
        lost = replace(record(harness), generation=generation)
        harness.store.republish(lost)
        harness.store.republish(lost)
        assert harness.told() == [generation, generation]

    def test_lift(self, harness: Harness) -> None:
        """A latch that ends sooner."""
        harness.store.acquire("a", 0, Slot.NONE)
        harness.store.fail("a", 0, latch(harness), clear_mark=False)
        harness.told()
        harness.store.lift("host/2")
        assert harness.told() == [0]

    def test_clock(self, harness: Harness) -> None:
        """A clock that was set: what was known of times does not hold any more."""
        harness.store.note_clock_step()
        assert harness.told() == [0]

    def test_nothing_else(self, harness: Harness) -> None:
        """Neither a lease nor a look is news."""
        harness.store.acquire("a", 0, Slot.NONE)
        harness.store.read(0)
        assert harness.told() == []
