"""How the attempt under a lease ends: by the class of the failure, and by what it was."""

import pytest

from broker.errors import (
    AmbiguousError,
    CredentialsRejectedError,
    KeysRejectedError,
    NotSentError,
    RefreshTokenUnknownError,
    TemporarilyUnavailableError,
    ThrottledError,
    UpstreamError,
)
from broker.tokens import Kind
from tests.policy.fleet import Fleet, Worker, commit_elsewhere

AUTHENTICATE, REFRESH = Kind.AUTHENTICATE, Kind.REFRESH
UNKNOWN = RefreshTokenUnknownError("unknown_refresh_token")
REJECTED = KeysRejectedError("keys_rejected")
TIMEOUT = AmbiguousError("timeout")


def make_stale(fleet: Fleet, *errors: UpstreamError | None) -> None:
    """Let the first token become stale, and have Canvas answer the next calls with ``errors``."""
    fleet.run(390, asking=True)
    fleet.canvas.calls.clear()
    fleet.canvas.errors = list(errors)


class TestDefinite:
    def test_second_call_in_the_same_lease(self, fleet: Fleet, worker: Worker) -> None:
        """A request that never left is made again at once, with the same refresh token."""
        make_stale(fleet, NotSentError("connect"))
        fleet.run(20, asking=True)
        assert fleet.canvas.calls == [REFRESH, REFRESH]
        assert fleet.canvas.presented == ["refresh-1", "refresh-1"]
        assert worker.token() == "access-2"

    def test_at_most_two_calls_in_a_lease(self, fleet: Fleet) -> None:
        """Two failures end the lease; the backoff comes before the next."""
        make_stale(fleet, *[NotSentError("connect")] * 2)
        fleet.run(10.8)
        assert fleet.canvas.calls == [REFRESH, REFRESH]

    def test_same_refresh_token_next_time(self, fleet: Fleet, worker: Worker) -> None:
        """After definite failures the refresh token is as good as before."""
        make_stale(fleet, *[NotSentError("dns")] * 4)
        fleet.run(60, asking=True)
        assert fleet.canvas.calls == [REFRESH] * 5
        assert set(fleet.canvas.presented) == {"refresh-1"}

    def test_throttled(self, fleet: Fleet) -> None:
        """A 429 is not repeated in its lease; the refresh token stays good."""
        make_stale(fleet, ThrottledError("throttled", retry_after=20.0))
        fleet.run(29, asking=True)
        assert fleet.canvas.calls == [REFRESH]
        fleet.run(10, asking=True)
        assert fleet.canvas.calls == [REFRESH, REFRESH]
        assert fleet.canvas.presented == ["refresh-1", "refresh-1"]

    def test_ambiguous_after_definite_spends_it(self, fleet: Fleet) -> None:
        """The second call of the lease may have arrived: its failure decides."""
        make_stale(fleet, NotSentError("connect"), TIMEOUT)
        fleet.run(60, asking=True)
        assert fleet.canvas.calls == [REFRESH, REFRESH, AUTHENTICATE]


class TestAmbiguous:
    def test_next_attempt_authenticates(self, fleet: Fleet, worker: Worker) -> None:
        """Nobody knows whether the refresh token was redeemed, so nobody presents it again."""
        make_stale(fleet, TIMEOUT)
        fleet.run(60, asking=True)
        assert fleet.canvas.calls == [REFRESH, AUTHENTICATE]
        assert worker.token() == "access-2"

    def test_never_repeated_in_its_lease(self, fleet: Fleet) -> None:
        """An ambiguous failure ends the attempt."""
        make_stale(fleet, TIMEOUT)
        fleet.run(10.4)
        assert fleet.canvas.calls == [REFRESH]

    def test_failed_authenticate_clears_no_mark(self, fleet: Fleet) -> None:
        """A definite failure of the Authenticate that follows frees nothing."""
        make_stale(fleet, TIMEOUT, NotSentError("connect"), NotSentError("connect"))
        fleet.run(120, asking=True)
        assert fleet.canvas.calls == [REFRESH, AUTHENTICATE, AUTHENTICATE, AUTHENTICATE]
        assert fleet.canvas.presented == ["refresh-1"]

    def test_valid_token_is_served_throughout(self, fleet: Fleet, worker: Worker) -> None:
        """An outage shorter than the margin minus 40 s costs no caller anything."""
        make_stale(fleet, *[TIMEOUT] * 1000)
        fleet.run(10 + 160, asking=True)
        fleet.canvas.errors.clear()
        fleet.run(35, asking=True)
        assert worker.token() != "access-1"


class TestRefreshTokenUnknown:
    def test_one_authenticate_in_the_same_lease(self, fleet: Fleet, worker: Worker) -> None:
        """A 404 is answered by one Authenticate under the same lease."""
        make_stale(fleet, UNKNOWN)
        worker.link.counts.clear()
        fleet.workers[1].runtime.hold = True
        fleet.run(20)
        assert fleet.canvas.calls == [REFRESH, AUTHENTICATE]
        assert worker.link.counts["acquire"] == 2, "the second asks for the same lease again"
        assert next(worker.runtime._ids) == 3, "one attempt beside the first token's"
        assert worker.token() == "access-2"

    def test_lease_was_lost_meanwhile(self, fleet: Fleet, worker: Worker, other: Worker) -> None:
        """If Redis lost the lease and a record was put back, the second call is not made."""
        make_stale(fleet, UNKNOWN)
        other.runtime.hold = True
        fleet.clock.sleep(20)

        def flush_and_republish() -> None:
            fleet.flush()
            other.runtime.hold = False
            other.tick()
            other.runtime.hold = True

        fleet.canvas.before_answer = flush_and_republish
        worker.tick()
        assert fleet.canvas.calls == [REFRESH]
        assert worker.token() == "access-1"
        lease = fleet.shelf().lease
        assert lease is not None
        assert lease[0] == "lost"

    def test_no_second_call_left(self, fleet: Fleet) -> None:
        """If the lease has used up its two calls, the Authenticate waits for the next one."""
        make_stale(fleet, NotSentError("connect"), UNKNOWN)
        fleet.run(10.4)
        assert fleet.canvas.calls == [REFRESH, REFRESH]
        fleet.run(60)
        assert fleet.canvas.calls == [REFRESH, REFRESH, AUTHENTICATE]
        notes = [line for worker in fleet.workers for line in worker.notes.lines]
        assert not any("crashed" in line for line in notes)

    def test_newer_record_is_used(self, fleet: Fleet, worker: Worker, other: Worker) -> None:
        """If the generation moved meanwhile, that record explains the 404, and is served."""
        make_stale(fleet, UNKNOWN)
        other.runtime.hold = True
        fleet.clock.sleep(20)
        fleet.canvas.before_answer = lambda: commit_elsewhere(fleet)
        worker.tick()
        assert fleet.canvas.calls == [REFRESH]
        assert worker.token() == "access-elsewhere"
        assert fleet.shelf().lease is None

    def test_redis_down_between(self, fleet: Fleet, worker: Worker) -> None:
        """If nobody can say whether the generation moved, the keys decide."""
        make_stale(fleet, UNKNOWN)
        fleet.workers[1].runtime.hold = True
        fleet.canvas.before_answer = lambda: setattr(worker.link, "down", True)
        fleet.run(11)
        assert fleet.canvas.calls == [REFRESH, AUTHENTICATE]
        assert worker.token() == "access-2"

    def test_authenticate_fails_then(self, fleet: Fleet, worker: Worker) -> None:
        """A 404 followed by a passing fault is no refusal of the keys."""
        make_stale(fleet, UNKNOWN, TIMEOUT)
        fleet.run(10.4)
        assert fleet.canvas.calls == [REFRESH, AUTHENTICATE]
        assert not worker.health().latched
        assert worker.token() == "access-1"


class TestKeysRejected:
    def test_refresh_401_is_confirmed(self, fleet: Fleet, worker: Worker) -> None:
        """A 401 to a refresh leads to one Authenticate, which may succeed."""
        make_stale(fleet, REJECTED)
        fleet.run(20)
        assert fleet.canvas.calls == [REFRESH, AUTHENTICATE]
        assert worker.token() == "access-2"
        assert not worker.health().latched

    def test_authenticate_401_latches(self, fleet: Fleet, worker: Worker) -> None:
        """Two refusals in one lease: the keys are latched, the valid token is served on."""
        make_stale(fleet, REJECTED, REJECTED)
        fleet.run(28, asking=True)
        assert fleet.canvas.calls == [REFRESH, AUTHENTICATE]
        assert worker.health().latched
        assert worker.token() == "access-1"

    def test_unconfirmed_401_does_not_latch(self, fleet: Fleet, worker: Worker) -> None:
        """Only an Authenticate can tell that the keys are wrong."""
        make_stale(fleet, NotSentError("connect"), REJECTED)
        fleet.run(10.4)
        assert fleet.canvas.calls == [REFRESH, REFRESH]
        assert not worker.health().latched

    def test_nothing_valid_left(self, fleet: Fleet, worker: Worker) -> None:
        """With no token left the caller learns that the credentials are refused."""
        fleet.canvas.errors = [REJECTED]
        error = worker.refused()
        assert isinstance(error, CredentialsRejectedError)
        assert error.retry_after == pytest.approx(30)


@pytest.mark.parametrize(
    "error",
    [TIMEOUT, UNKNOWN, NotSentError("dns"), ThrottledError("throttled", retry_after=3.0)],
)
def test_passing_fault_is_never_called_a_refusal(
    fleet: Fleet, worker: Worker, error: UpstreamError
) -> None:
    """Only Canvas's 401 to an Authenticate is reported as refused credentials."""
    fleet.canvas.errors = [error] * 2
    assert isinstance(worker.refused(), TemporarilyUnavailableError)
