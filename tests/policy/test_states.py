"""The state table: what a caller gets while the token is FRESH, STALE, CRITICAL or EMPTY."""

import pytest

from broker.errors import (
    AmbiguousError,
    ForbiddenError,
    TemporarilyUnavailableError,
)
from broker.tokens import Kind, State
from tests.policy.fleet import Fleet, Worker


class TestFresh:
    def test_served_without_any_io(self, fleet: Fleet, worker: Worker) -> None:
        """A fresh token is served from memory: nothing is asked of Redis or of Canvas."""
        worker.ask()
        worker.link.counts.clear()
        answers = {worker.ask().access_token.reveal() for _ in range(100)}
        assert answers == {"access-1"}
        assert not worker.link.counts
        assert fleet.canvas.calls == [Kind.AUTHENTICATE]

    def test_request_path_stays_clean_while_the_refresher_works(
        self, fleet: Fleet, worker: Worker
    ) -> None:
        """With the refresher ticking, no request ever has to look at Redis itself."""
        worker.ask()
        for _ in range(300):
            fleet.run(0.2)
            before = worker.link.counts.total()
            worker.ask()
            assert worker.link.counts.total() == before

    def test_idle_copy_is_brought_up_to_date_once(self, fleet: Fleet, worker: Worker) -> None:
        """The first request after a long silence looks at Redis, with one read; the next not."""
        worker.ask()
        fleet.clock.sleep(60)
        worker.link.counts.clear()
        worker.ask()
        worker.ask()
        assert worker.link.counts == {"read": 1}

    def test_what_another_worker_committed_is_seen_within_a_second(
        self, fleet: Fleet, worker: Worker, other: Worker
    ) -> None:
        """The copy is revalidated at most a second late."""
        worker.ask()
        other.ask()
        fleet.run(70, asking=True)
        newer = other.ask(min_ttl=540)
        fleet.run(1.0)
        assert worker.ask().generation == newer.generation

    def test_answer(self, worker: Worker) -> None:
        """The answer counts whole seconds, rounded down, and names generation and state."""
        served = worker.ask()
        assert served.organization == "acme"
        assert (served.expires_in, served.refresh_in) == (599, 399)
        assert served.generation > 1_700_000_000_000_000
        assert served.state is State.FRESH

    def test_refresh_in_is_spread(self, worker: Worker) -> None:
        """Callers are told to come back at different times, a tenth to either side."""
        worker.ask()
        worker.runtime.chance = 0.0
        assert worker.ask().refresh_in == 359
        worker.runtime.chance = 1.0
        assert worker.ask().refresh_in == 439


class TestStale:
    def test_served_at_once(self, fleet: Fleet, worker: Worker) -> None:
        """The refresh runs in the background: the request neither waits nor talks to Canvas."""
        worker.ask()
        fleet.clock.sleep(450)
        worker.runtime.hold = True
        now = fleet.clock.monotonic()
        served = worker.ask()
        assert (served.state, served.access_token.reveal()) == (State.STALE, "access-1")
        assert fleet.clock.monotonic() == now
        assert fleet.canvas.calls == [Kind.AUTHENTICATE]

    def test_caller_is_told_to_come_back_soon(self, fleet: Fleet, worker: Worker) -> None:
        """While a refresh is under way, asking again is worth it in a few seconds."""
        worker.ask()
        fleet.clock.sleep(450)
        assert worker.ask().refresh_in == 5

    def test_refresher_brings_the_next_one(self, fleet: Fleet, worker: Worker) -> None:
        """The refresher redeems the refresh token; the old token is served while it does."""
        worker.ask()
        fleet.clock.sleep(450)
        seen: list[str] = []
        fleet.canvas.before_answer = lambda: seen.append(worker.token())
        worker.ask()
        fleet.run(1)
        assert seen == ["access-1"]
        assert worker.token() == "access-2"
        assert fleet.canvas.calls == [Kind.AUTHENTICATE, Kind.REFRESH]
        assert fleet.canvas.presented == ["refresh-1"]

    def test_one_refresh_for_the_fleet(self, fleet: Fleet) -> None:
        """Both workers find the token stale; one refreshes, both serve the new one."""
        fleet.run(450, asking=True)
        assert fleet.canvas.calls == [Kind.AUTHENTICATE, Kind.REFRESH]
        assert {worker.token() for worker in fleet.workers} == {"access-2"}


class TestCritical:
    def test_waits_for_the_refresh(self, fleet: Fleet, worker: Worker) -> None:
        """A request waits for the refresh in flight and gets its token."""
        worker.ask()
        fleet.clock.sleep(575)
        worker.runtime.hold = True
        fleet.clock.later(1.0, worker.runtime.release)
        now = fleet.clock.monotonic()
        served = worker.ask()
        assert served.access_token.reveal() == "access-2"
        assert 1.0 <= fleet.clock.monotonic() - now < 1.5

    def test_served_as_it_is_after_the_wait(self, fleet: Fleet, worker: Worker) -> None:
        """A refresh that takes longer than three seconds is not waited for."""
        worker.ask()
        fleet.clock.sleep(575)
        worker.runtime.hold = True
        now = fleet.clock.monotonic()
        served = worker.ask()
        assert (served.state, served.expires_in) == (State.CRITICAL, 21)
        assert fleet.clock.monotonic() - now == pytest.approx(3.0)
        worker.runtime.release()

    def test_served_as_it_is_when_the_refresh_fails(self, fleet: Fleet, worker: Worker) -> None:
        """A failed refresh costs the caller nothing while the token lives, nor does its backoff."""
        worker.ask()
        fleet.clock.sleep(575)
        fleet.canvas.errors = [AmbiguousError("timeout")]
        assert worker.ask().access_token.reveal() == "access-1"
        now = fleet.clock.monotonic()
        assert worker.ask().state is State.CRITICAL
        assert fleet.clock.monotonic() == now


class TestEmpty:
    def test_cold_start(self, fleet: Fleet) -> None:
        """Many callers of many workers: one Authenticate."""
        tokens = {worker.token() for _ in range(10) for worker in fleet.workers}
        assert tokens == {"access-1"}
        assert fleet.canvas.calls == [Kind.AUTHENTICATE]

    def test_refresh_still_running(self, fleet: Fleet, worker: Worker) -> None:
        """After three seconds of waiting the caller is told to come back in a second."""
        worker.runtime.hold = True
        now = fleet.clock.monotonic()
        error = worker.refused()
        assert isinstance(error, TemporarilyUnavailableError)
        assert error.retry_after == 1
        assert fleet.clock.monotonic() - now == pytest.approx(3.0)
        worker.runtime.release()
        assert worker.token() == "access-1"

    def test_upstream_failing(self, fleet: Fleet, worker: Worker) -> None:
        """The error is a passing one, and Retry-After tells of the backoff."""
        fleet.canvas.errors = [AmbiguousError("timeout")]
        worker.runtime.chance = 1.0
        error = worker.refused()
        assert isinstance(error, TemporarilyUnavailableError)
        assert error.retry_after == pytest.approx(2.0)

    @pytest.mark.parametrize("left", [5.0, 1.0, 0.0, -10.0])
    def test_dying_token_is_never_served(self, fleet: Fleet, worker: Worker, left: float) -> None:
        """With five seconds left or less, there is no token."""
        worker.ask()
        fleet.clock.sleep(600 - left)
        fleet.canvas.errors = [AmbiguousError("timeout")]
        assert isinstance(worker.refused(), TemporarilyUnavailableError)

    def test_six_seconds_are_served(self, fleet: Fleet, worker: Worker) -> None:
        """A token with a little more than five seconds left is better than none."""
        worker.ask()
        fleet.clock.sleep(594 - fleet.canvas.latency - 0.2)
        fleet.canvas.errors = [AmbiguousError("timeout")]
        assert worker.ask().expires_in in {5, 6}

    def test_life_counts_from_when_the_request_was_sent(self, fleet: Fleet, worker: Worker) -> None:
        """A slow answer has used up part of its token's life."""
        fleet.canvas.latency = 2.5
        worker.runtime.hold = False
        assert worker.ask().expires_in == 597
        assert fleet.workers[1].ask().expires_in <= 597


def test_unknown_organization(worker: Worker) -> None:
    """Nobody's organization gives the same error as a forbidden one."""
    with pytest.raises(ForbiddenError):
        worker.ask("nobody")


def test_host_clock_does_not_matter(fleet: Fleet, worker: Worker) -> None:
    """Ten minutes of error of the host's clock change no answer, now or later."""
    fleet.clock.host_error = 600.0
    assert worker.ask().expires_in == 599
    fleet.clock.host_error = -600.0
    fleet.clock.sleep(300)
    assert worker.ask().expires_in == 299
