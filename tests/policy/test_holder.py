"""The holder of the lease: one that dies, or sleeps past its lease, harms nobody."""

from collections.abc import Callable

import pytest

from broker.errors import NotSentError, RefreshTokenUnknownError, UpstreamError
from broker.tokens import Kind, TokenPair
from tests.fakes import FakeClock, retry_definite
from tests.policy.fleet import Fleet, Worker, make_stale

AUTHENTICATE, REFRESH = Kind.AUTHENTICATE, Kind.REFRESH


class Killed(BaseException):
    """The process is gone at this point."""


class SlowRetry:
    """Repeats as :func:`retry_definite` does, but the process sleeps for long in between."""

    def __init__(self) -> None:
        self.clock = FakeClock()

    def __call__(self, call: Callable[[], TokenPair], attempts: int) -> TokenPair:
        """Call, sleep after a failure, call again."""

        def slowly() -> TokenPair:
            try:
                return call()
            except UpstreamError:
                self.clock.sleep(17.5)
                raise

        return retry_definite(slowly, attempts)


def kill() -> None:
    """Die."""
    raise Killed


def die_at(fleet: Fleet, worker: Worker, point: str) -> None:
    """Let ``worker`` die before, during or after its call to Canvas."""
    if point == "during":
        fleet.canvas.before_answer = kill
    else:
        worker.link.before["acquire" if point == "before" else "commit"] = kill
    with pytest.raises(Killed):
        worker.tick()
    fleet.canvas.before_answer = lambda: None


class TestHolderDies:
    @pytest.mark.parametrize("point", ["during", "after"])
    def test_successor_authenticates(
        self, fleet: Fleet, worker: Worker, other: Worker, point: str
    ) -> None:
        """Once the lease has run out, a successor authenticates; the mark stands."""
        make_stale(fleet)
        die_at(fleet, worker, point)
        fleet.workers.remove(worker)
        fleet.run(24, asking=True)
        assert fleet.canvas.calls == [REFRESH]
        assert other.token() == "access-1"
        fleet.run(4, asking=True)
        assert fleet.canvas.calls == [REFRESH, AUTHENTICATE]
        assert other.token() != "access-1"

    def test_before_the_grant(self, fleet: Fleet, worker: Worker) -> None:
        """Who dies before it has the lease leaves nothing behind."""
        make_stale(fleet)
        die_at(fleet, worker, "before")
        fleet.workers.remove(worker)
        fleet.run(1, asking=True)
        assert fleet.canvas.calls == [REFRESH]

    def test_nobody_has_a_token(self, fleet: Fleet, worker: Worker, other: Worker) -> None:
        """On a cold start the death of the holder costs the length of its lease."""
        fleet.canvas.before_answer = kill
        with pytest.raises(Killed):
            worker.ask()
        fleet.canvas.before_answer = lambda: None
        fleet.workers.remove(worker)
        fleet.run(20)
        other.refused()
        assert fleet.canvas.calls == [AUTHENTICATE]
        fleet.run(4)
        assert other.token() == "access-1"

    def test_flight_ends_for_those_who_wait(self, fleet: Fleet, worker: Worker) -> None:
        """A flight that dies of something that nobody catches still lets its waiters go."""
        fleet.canvas.before_answer = kill
        with pytest.raises(Killed):
            worker.ask()
        fleet.canvas.before_answer = lambda: None
        fleet.clock.sleep(30)
        assert worker.token() == "access-1"


class TestHolderIsPaused:
    def test_superseded(self, fleet: Fleet, worker: Worker, other: Worker) -> None:
        """A pause past the lease, a successor's commit: the late commit is refused."""
        make_stale(fleet)

        def pause() -> None:
            fleet.canvas.before_answer = lambda: None
            fleet.clock.sleep(26)
            other.tick()

        fleet.canvas.before_answer = pause
        worker.tick()
        assert fleet.canvas.calls == [REFRESH, AUTHENTICATE]
        stands = fleet.shelf().generation
        fleet.run(1)
        assert worker.ask().generation == other.ask().generation == stands
        assert fleet.most_in_flight == 2
        fleet.most_in_flight = 1  # two in flight are allowed after such a pause

    def test_nobody_came_meanwhile(self, fleet: Fleet, worker: Worker, other: Worker) -> None:
        """The late commit is taken if nobody else committed: its tokens are fresh."""
        make_stale(fleet)
        fleet.canvas.before_answer = lambda: fleet.clock.sleep(26)
        worker.tick()
        fleet.canvas.before_answer = lambda: None
        assert worker.token() == "access-2"
        fleet.run(1)
        assert other.token() == "access-2"
        assert fleet.canvas.calls == [REFRESH]

    def test_late_failure_disturbs_nobody(
        self, fleet: Fleet, worker: Worker, other: Worker
    ) -> None:
        """A failure told after the successor's success pauses nobody and clears nothing."""
        make_stale(fleet)

        def pause() -> None:
            fleet.canvas.before_answer = lambda: None
            fleet.clock.sleep(26)
            other.tick()
            fleet.canvas.errors = [RefreshTokenUnknownError("unknown_refresh_token")]

        fleet.canvas.before_answer = pause
        worker.tick()
        fleet.most_in_flight = 1
        assert fleet.shelf().backoff is None
        assert worker.token() == other.token() == "access-2"
        assert fleet.canvas.calls == [REFRESH, AUTHENTICATE]

    def test_too_little_lease_left(self, fleet: Fleet, worker: Worker) -> None:
        """With less than eight seconds of the lease left, nothing is sent."""
        make_stale(fleet)
        fleet.workers.remove(fleet.workers[1])
        fleet.workers[0].link.seconds = 17.5
        worker.tick()
        worker.link.seconds = 0.0
        assert fleet.canvas.calls == []
        assert "acme failed refresh lease_too_short" in worker.notes.lines
        fleet.run(5)
        assert fleet.canvas.calls == [REFRESH]
        assert fleet.canvas.presented == ["refresh-1"]

    def test_too_little_lease_left_for_the_second_call(self) -> None:
        """The second call of a lease needs its eight seconds too."""
        retry = SlowRetry()
        fleet = Fleet(1, retry=retry)
        retry.clock = fleet.clock
        make_stale(fleet)
        fleet.canvas.errors = [NotSentError("connect")]
        fleet.workers[0].tick()
        assert fleet.canvas.calls == [REFRESH]
        assert "acme failed refresh lease_too_short" in fleet.workers[0].notes.lines
        fleet.check()
