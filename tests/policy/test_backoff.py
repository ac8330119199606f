"""Backoff and latch: no attempt until …, for the whole fleet."""

from dataclasses import replace
from itertools import pairwise

import pytest

from broker.credentials import Credentials
from broker.errors import (
    AmbiguousError,
    CredentialsRejectedError,
    KeysRejectedError,
    TemporarilyUnavailableError,
    ThrottledError,
    UpstreamError,
)
from broker.policy.lease import backoff_delay
from broker.tokens import Kind
from tests.fakes import retry_definite
from tests.policy.fleet import KEYS, NEW_KEYS, Fleet, Worker
from tests.policy.test_unusable import try_to_ask

TIMEOUT = AmbiguousError("timeout")
REJECTED = KeysRejectedError("keys_rejected")


def call_times(fleet: Fleet, seconds: float) -> list[float]:
    """Let callers ask for ``seconds``; return when Canvas was called, counted from now."""
    start, times = fleet.clock.monotonic(), []
    fleet.canvas.before_answer = lambda: times.append(fleet.clock.monotonic() - start)
    keep_asking(fleet, seconds)
    return times


def keep_asking(fleet: Fleet, seconds: float) -> None:
    """Let callers ask for ``seconds``, whatever they get."""
    start = fleet.clock.monotonic()
    while fleet.clock.monotonic() - start < seconds:
        fleet.run(0.2)
        for worker in fleet.workers:
            try:
                worker.ask()
            except (TemporarilyUnavailableError, CredentialsRejectedError):
                continue


def pauses(times: list[float]) -> list[float]:
    """Return the seconds between each two calls."""
    return [later - earlier for earlier, later in pairwise(times)]


class TestDelay:
    @pytest.mark.parametrize(
        ("failures", "most"), [(0, 2), (1, 4), (2, 8), (3, 16), (4, 30), (5, 30), (5000, 30)]
    )
    def test_doubles_up_to_the_cap(self, failures: int, most: float) -> None:
        """Full jitter: anything from zero to a bound that doubles with each failure."""
        assert backoff_delay(failures, 1.0, None, 30.0) == most
        assert backoff_delay(failures, 0.5, None, 30.0) == most / 2
        assert backoff_delay(failures, 0.0, None, 30.0) == 0

    @pytest.mark.parametrize("failures", [2, 3, 100])
    def test_without_a_valid_token(self, failures: int) -> None:
        """The cap is five seconds then."""
        assert backoff_delay(failures, 1.0, None, 5.0) == 5

    def test_retry_after_goes_before(self) -> None:
        """What Canvas asks for is neither shortened nor jittered."""
        assert backoff_delay(0, 0.1, 120.0, 5.0) == 120


class TestBackoff:
    def test_with_a_valid_token(self, fleet: Fleet) -> None:
        """Pauses grow to thirty seconds while a token is valid, counted over the fleet."""
        fleet.run(399, asking=True)
        for worker in fleet.workers:
            worker.runtime.chance = 1.0
        fleet.canvas.errors = [TIMEOUT] * 100
        found = pauses(call_times(fleet, 140))
        assert found[:6] == pytest.approx([2, 4, 8, 16, 30, 30], abs=1.2)

    def test_without_a_valid_token(self, fleet: Fleet) -> None:
        """With no token to serve, five seconds are the longest pause."""
        for worker in fleet.workers:
            worker.runtime.chance = 1.0
        fleet.canvas.errors = [TIMEOUT] * 100
        found = pauses(call_times(fleet, 60))
        assert found[:2] == pytest.approx([2, 4], abs=1.2)
        assert max(found) < 6.2

    def test_at_least_a_second(self, fleet: Fleet) -> None:
        """Jitter never makes an attempt follow another within a second."""
        for worker in fleet.workers:
            worker.runtime.chance = 0.0
        fleet.canvas.errors = [TIMEOUT] * 1000
        assert min(pauses(call_times(fleet, 30))) >= 1.0

    def test_counted_over_the_fleet(self, fleet: Fleet, worker: Worker, other: Worker) -> None:
        """The second worker's failure is the fleet's second."""
        fleet.canvas.errors = [TIMEOUT] * 2
        worker.refused()
        fleet.clock.sleep(5)
        other.refused()
        assert other.health().failures == 2
        backoff = fleet.shelf().backoff
        assert backoff is not None
        assert backoff.failures == 2

    def test_heeded_by_who_did_not_fail(self, fleet: Fleet, worker: Worker, other: Worker) -> None:
        """A worker that has just come finds the backoff and does not try."""
        worker.runtime.chance = 1.0
        fleet.canvas.errors = [TIMEOUT]
        worker.refused()
        assert other.refused().retry_after == pytest.approx(2.0, abs=0.2)
        assert len(fleet.canvas.calls) == 1

    def test_asks_for_no_lease_meanwhile(self, fleet: Fleet, worker: Worker) -> None:
        """Looks go on during the backoff; attempts do not even ask Redis."""
        fleet.canvas.errors = [ThrottledError("throttled", retry_after=60.0)]
        worker.refused()
        worker.link.counts.clear()
        for _ in range(50):
            fleet.run(1)
            worker.refused()
        assert worker.link.counts["read"] > 40
        assert worker.link.counts["acquire"] == 0

    def test_ends_with_a_success(self, fleet: Fleet, worker: Worker) -> None:
        """After a success the next failure counts as the first."""
        fleet.canvas.errors = [TIMEOUT]
        worker.refused()
        fleet.run(5)
        worker.ask()
        assert worker.health().failures == 0
        assert worker.health().next_attempt_in is None
        assert fleet.shelf().backoff is None

    @pytest.mark.parametrize("asked", [120.0, 300.0])
    def test_retry_after(self, fleet: Fleet, asked: float) -> None:
        """Canvas's own Retry-After is honoured, longer than any backoff of ours."""
        fleet.canvas.errors = [ThrottledError("throttled", retry_after=asked)]
        found = pauses(call_times(fleet, asked + 2))
        assert found == pytest.approx([asked], abs=1.2)
        assert found[0] >= asked

    def test_retry_after_zero(self, fleet: Fleet) -> None:
        """A Retry-After of nothing still means a second."""
        fleet.canvas.errors = [ThrottledError("throttled", retry_after=0.0)] * 10
        assert min(pauses(call_times(fleet, 10))) >= 1.0

    def test_heeded_here_though_redis_did_not_take_it(self, fleet: Fleet, worker: Worker) -> None:
        """A failure that cannot be told to Redis still pauses the process that had it."""
        worker.link.before["fail"] = lambda: setattr(worker.link, "down", True)
        worker.runtime.chance = 1.0
        fleet.canvas.errors = [TIMEOUT] * 10
        worker.refused()
        for _ in range(20):
            worker.refused()
        assert len(fleet.canvas.calls) == 1

    def test_idle_worker_sees_what_others_got_during_it(
        self, fleet: Fleet, worker: Worker, other: Worker
    ) -> None:
        """A long pause does not hide the token that another worker has since."""
        fleet.canvas.errors = [REJECTED]
        worker.refused()
        fleet.run(60)
        fleet.shelf().backoff = None
        assert other.token() == "access-1"
        assert worker.token() == "access-1"


class TestLatch:
    def test_probes_come_soon_and_then_seldom(self, fleet: Fleet) -> None:
        """After about 30 s, 2 and 5 minutes, then each fifteen: of all workers, not of each."""
        fleet.canvas.errors = [REJECTED] * 100
        found = pauses(call_times(fleet, 3300))
        assert found == pytest.approx([30, 120, 300, 900, 900, 900], abs=1.5)
        assert min(found[3:]) >= 900

    @pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
    def test_refused_calls_are_bounded(self, fleet: Fleet, chance: float) -> None:
        """At most six in the first 15 minutes, a refresh and its confirmation included; then 4."""
        fleet.run(401, asking=True)
        for worker in fleet.workers:
            worker.runtime.chance = chance
        fleet.canvas.calls.clear()
        fleet.canvas.errors = [REJECTED] * 100
        times = call_times(fleet, 900 + 2 * 3600)
        assert fleet.canvas.calls[:3] == [Kind.REFRESH, Kind.AUTHENTICATE, Kind.AUTHENTICATE]
        first = times[0]
        assert sum(at < first + 900 for at in times) == 5
        later = [at for at in times if at >= first + 900]
        assert all(sum(at <= one < at + 3600 for one in later) <= 4 for at in later)

    @pytest.mark.parametrize(
        "errors", [[REJECTED, TIMEOUT] * 200, [TIMEOUT, TIMEOUT, REJECTED] * 200]
    )
    def test_other_failures_between_do_not_begin_it_anew(
        self, fleet: Fleet, errors: list[UpstreamError]
    ) -> None:
        """Refusals alone advance the schedule: other failures neither reset nor hasten it."""
        fleet.canvas.errors = list(errors)
        refused: list[float] = []

        def note() -> None:
            if fleet.canvas.errors[0] is REJECTED:
                refused.append(fleet.clock.monotonic())

        fleet.canvas.before_answer = note
        keep_asking(fleet, 1400)
        assert pauses(refused) == pytest.approx([30, 120, 300, 900], abs=12)

    def test_success_begins_it_anew(self, fleet: Fleet, worker: Worker) -> None:
        """After a token, the next refusal is the first again."""
        fleet.canvas.errors = [REJECTED] * 3
        assert pauses(call_times(fleet, 500)) == pytest.approx([30, 120, 300], abs=1.5)
        assert not worker.health().latched
        fleet.canvas.errors = [REJECTED] * 2
        times = call_times(fleet, 600)
        assert times[2] - times[1] == pytest.approx(30, abs=1.5)

    def test_a_passing_refusal_costs_half_a_minute(self, fleet: Fleet, worker: Worker) -> None:
        """Keys that are accepted again end the latch for everybody."""
        fleet.canvas.errors = [REJECTED]
        call_times(fleet, 32)
        assert {each.token() for each in fleet.workers} == {"access-1"}
        assert not worker.health().latched

    def test_known_to_all(self, fleet: Fleet, worker: Worker, other: Worker) -> None:
        """A worker that comes later does not try the refused keys."""
        fleet.canvas.errors = [REJECTED]
        assert isinstance(worker.refused(), CredentialsRejectedError)
        assert isinstance(other.refused(), CredentialsRejectedError)
        assert other.health().latched
        assert len(fleet.canvas.calls) == 1

    def test_lifted_at_once_by_new_credentials(self, fleet: Fleet, worker: Worker) -> None:
        """The latch belongs to a credential version; another one is tried at once."""
        fleet.canvas.errors = [REJECTED]
        worker.refused()
        fleet.configure({"acme": NEW_KEYS})
        assert not worker.health().latched
        fleet.run(0.2)
        assert fleet.canvas.versions == [KEYS.version, NEW_KEYS.version]
        assert worker.token() == "access-1"
        assert not worker.health().latched

    def test_callers_do_not_probe(self, fleet: Fleet, worker: Worker) -> None:
        """However often callers ask, the account is not locked out by attempts."""
        fleet.canvas.errors = [REJECTED] * 100
        for _ in range(200):
            fleet.clock.sleep(1)
            assert isinstance(worker.refused(), CredentialsRejectedError)
        assert fleet.canvas.calls == [Kind.AUTHENTICATE] * 3

    @pytest.mark.parametrize("lost", ["once", "always"])
    def test_stands_where_redis_has_lost_it(self, fleet: Fleet, worker: Worker, lost: str) -> None:
        """Who was refused remembers it, and goes on counting."""
        fleet.canvas.errors = [REJECTED] * 9

        def cut() -> None:
            worker.link.down = True

        worker.link.before["fail"] = cut
        worker.refused()
        worker.link.down = False
        fleet.flush()
        found = [0.0]
        fleet.canvas.before_answer = lambda: found.append(fleet.clock.monotonic())
        begun = fleet.clock.monotonic()
        while fleet.clock.monotonic() - begun < 460:
            fleet.clock.sleep(0.5)
            worker.tick()
            assert worker.health().latched
            if lost == "always":
                fleet.flush()
        assert pauses(found)[1:] == pytest.approx([120, 300], rel=0.11)
        assert found[1] - begun == pytest.approx(30, abs=5)

    @pytest.mark.parametrize(("idle", "step"), [(600, 120), (700, 30)])
    def test_what_redis_has_lost_is_forgotten_as_it_would_be(
        self, fleet: Fleet, worker: Worker, idle: float, step: float
    ) -> None:
        """Ten minutes after the pause the steps begin anew."""
        fleet.canvas.errors = [REJECTED] * 2
        worker.refused()
        fleet.flush()
        fleet.clock.sleep(idle)
        worker.refused()
        assert len(fleet.canvas.calls) == 2
        assert worker.health().next_attempt_in == pytest.approx(step, rel=0.11)

    def test_ends_with_a_token_of_somebody_else(
        self, fleet: Fleet, worker: Worker, other: Worker
    ) -> None:
        """A refusal that Redis never had counts for who saw it, and no longer than that."""
        fleet.canvas.errors = [REJECTED]

        def cut() -> None:
            worker.link.down = True

        worker.link.before["fail"] = cut
        worker.refused()
        worker.link.down = False
        fleet.clock.sleep(26)
        assert other.token() == "access-1"
        assert worker.token() == "access-1"
        assert not worker.health().latched


def written(name: str, keys: Credentials = KEYS) -> dict[str, Credentials]:
    """Return acme's keys as files that were written anew give them."""
    return {"acme": replace(keys, writing=name)}


class TestWrittenAnew:
    """Files written anew, even with the same content, are the operator's word."""

    def test_lifts_the_latch_at_once(self, fleet: Fleet, worker: Worker) -> None:
        """Within a second or so there is a probe: one for the whole fleet."""
        fleet.configure(written("host/1"))
        fleet.canvas.errors = [REJECTED] * 4
        call_times(fleet, 500)
        assert worker.health().next_attempt_in == pytest.approx(850, abs=5)
        fleet.configure(written("host/2"))
        fleet.run(2)
        assert len(fleet.canvas.calls) == 5
        fleet.run(2, asking=True)
        assert {each.token() for each in fleet.workers} == {"access-1"}

    def test_at_most_one_attempt_a_second(self, fleet: Fleet, worker: Worker) -> None:
        """Also where the files are written anew in the moment of a refusal."""
        fleet.configure(written("host/1"))
        fleet.canvas.errors = [REJECTED] * 9
        worker.refused()
        fleet.configure(written("host/2"))
        found = pauses(call_times(fleet, 5))
        assert not found
        assert worker.health().failures == 2

    def test_a_lift_goes_on_with_the_schedule(self, fleet: Fleet, worker: Worker) -> None:
        """A probe that is refused is the next refusal, not the first again."""
        fleet.configure(written("host/1"))
        fleet.canvas.errors = [REJECTED] * 9
        call_times(fleet, 10)
        fleet.configure(written("host/2"))
        found = pauses(call_times(fleet, 450))
        assert found == pytest.approx([120, 300], abs=1.5)

    def test_ten_workers_see_one_writing(self) -> None:
        """One after the other, over a minute: one probe for all of them."""
        fleet = Fleet(10)
        fleet.configure(written("host/1"))
        fleet.canvas.errors = [REJECTED] * 99
        keep_asking(fleet, 200)
        calls = len(fleet.canvas.calls)
        for worker in fleet.workers:
            worker.broker.configure(written("host/2"))
            keep_asking(fleet, 6)
        assert len(fleet.canvas.calls) == calls + 1
        fleet.check()

    def test_hosts_see_one_writing_by_other_names(self) -> None:
        """Each host's files have times of their own: within a minute they are one writing."""
        fleet = Fleet(4)
        for number, worker in enumerate(fleet.workers):
            worker.broker.configure(written(f"host-{number}/1"))
        fleet.canvas.errors = [REJECTED] * 99
        keep_asking(fleet, 170)
        calls = len(fleet.canvas.calls)
        for number, worker in enumerate(fleet.workers):
            worker.broker.configure(written(f"host-{number}/2"))
            keep_asking(fleet, 20)
        assert len(fleet.canvas.calls) == calls + 1
        fleet.check()

    @pytest.mark.parametrize(("every", "seconds"), [(7, 950), (45, 950), (200, 4500)])
    def test_whoever_writes_often_locks_nobody_out(
        self, fleet: Fleet, every: int, seconds: int
    ) -> None:
        """Six refused calls in the first 15 minutes, however often files are written anew."""
        fleet.configure(written("host/0"))
        fleet.run(401, asking=True)
        fleet.canvas.errors = [REJECTED] * 999
        times: list[float] = []
        fleet.canvas.before_answer = lambda: times.append(fleet.clock.monotonic())
        for number in range(seconds // every):
            for host, worker in enumerate(fleet.workers):
                worker.broker.configure(written(f"host-{host}/{number}"))
            keep_asking(fleet, every)
        first = times[0]
        assert sum(at < first + 900 for at in times) <= 6
        assert sum(first + 900 <= at < first + 4500 for at in times) <= 8

    def test_the_writing_that_was_refused_does_not_lift(self, fleet: Fleet, worker: Worker) -> None:
        """New keys that are wrong: who sees them later does not try them again."""
        fleet.canvas.errors = [REJECTED] * 9
        worker.broker.configure(written("host/1", NEW_KEYS))
        fleet.run(5)
        fleet.configure(written("host/1", NEW_KEYS))
        fleet.run(5)
        assert fleet.canvas.versions.count(NEW_KEYS.version) == 1

    def test_back_to_keys_that_were_refused(self, fleet: Fleet, worker: Worker) -> None:
        """Who puts them back means them to be tried."""
        fleet.configure(written("host/1"))
        fleet.canvas.errors = [REJECTED] * 4
        call_times(fleet, 500)
        fleet.canvas.errors = [REJECTED]
        fleet.configure(written("host/2", NEW_KEYS))
        fleet.run(2)
        fleet.configure(written("host/3"))
        fleet.run(2)
        assert worker.token() == "access-1"

    def test_a_restart_is_the_word_of_who_has_no_files(self, fleet: Fleet) -> None:
        """Keys from the environment: the process that starts tries them."""
        fleet.configure(written("host/started-1"))
        fleet.canvas.errors = [REJECTED] * 4
        call_times(fleet, 500)
        fleet.workers = [Worker(fleet, 9, retry_definite, waiters=8)]
        fleet.configure(written("host/started-2"))
        fleet.run(2)
        assert fleet.workers[0].token() == "access-1"

    def test_said_while_redis_is_away(self, fleet: Fleet, worker: Worker) -> None:
        """It is not lost: it lifts the latch when Redis is back."""
        fleet.configure(written("host/1"))
        fleet.canvas.errors = [REJECTED] * 4
        call_times(fleet, 500)
        for each in fleet.workers:
            each.link.down = True
        fleet.configure(written("host/2"))
        fleet.run(20)
        for each in fleet.workers:
            each.link.down = False
        fleet.run(3)
        assert worker.token() == "access-1"

    def test_nothing_happens_to_who_has_a_token(self, fleet: Fleet, worker: Worker) -> None:
        """A look at most, no call, and later refusals are not lifted by it."""
        fleet.configure(written("host/1"))
        worker.ask()
        worker.link.counts.clear()
        fleet.configure(written("host/2"))
        worker.tick()
        assert worker.link.counts.total() <= 1
        fleet.run(420, asking=True)
        assert worker.link.counts["lift"] == 0
        assert len(fleet.canvas.calls) == 2

    def test_another_backoff_stays(self, fleet: Fleet, worker: Worker) -> None:
        """Canvas that asks for a pause gets it."""
        fleet.configure(written("host/1"))
        fleet.canvas.errors = [ThrottledError("throttled", retry_after=60.0)]
        worker.refused()
        fleet.configure(written("host/2"))
        fleet.run(50)
        assert len(fleet.canvas.calls) == 1


def test_shared_backoff_is_kept_per_organization(fleet: Fleet, worker: Worker) -> None:
    """One organization's failures pause nobody else."""
    fleet.configure({"acme": KEYS, "globex": NEW_KEYS})
    fleet.canvas.errors = [TIMEOUT]
    try_to_ask(worker)
    assert worker.ask("globex").access_token.reveal() == "access-1"
