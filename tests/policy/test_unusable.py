"""Answers that are no good: an unusable access token, or one with hardly any life."""

import pytest

from broker.errors import NotSentError, TemporarilyUnavailableError, UnusableTokenError
from broker.secret import Secret
from broker.tokens import Kind, RefreshToken
from tests.policy.fleet import Fleet, Worker

AUTHENTICATE, REFRESH = Kind.AUTHENTICATE, Kind.REFRESH


def unusable(name: str = "spare", lifetime: float = 86400.0) -> UnusableTokenError:
    """Return a failure whose answer held a good refresh token."""
    return UnusableTokenError("bad_access_token", RefreshToken(Secret(name), lifetime))


def make_stale(fleet: Fleet, *errors: UnusableTokenError | NotSentError) -> None:
    """Let the first token become stale in ten seconds, the next calls ending in ``errors``."""
    fleet.run(390, asking=True)
    fleet.canvas.calls.clear()
    fleet.canvas.errors = list(errors)


class TestUnusableAccessToken:
    def test_its_refresh_token_is_used_next(self, fleet: Fleet, worker: Worker) -> None:
        """The refresh token that came with it is kept, and redeemed after the backoff."""
        make_stale(fleet, unusable())
        fleet.run(60, asking=True)
        assert fleet.canvas.calls == [REFRESH, REFRESH]
        assert fleet.canvas.presented == ["refresh-1", "spare"]
        assert worker.token() == "access-2"

    def test_on_cold_start(self, fleet: Fleet, worker: Worker) -> None:
        """It may be all that there is: the caller gets 503, the next attempt uses it."""
        fleet.canvas.errors = [unusable()]
        assert isinstance(worker.refused(), TemporarilyUnavailableError)
        fleet.run(3)
        assert worker.token() == "access-1"
        assert fleet.canvas.presented == ["spare"]

    def test_several_in_a_row(self, fleet: Fleet, worker: Worker) -> None:
        """Each brings the refresh token for the next; the pauses grow."""
        make_stale(fleet, unusable("spare-1"), unusable("spare-2"), unusable("spare-3"))
        fleet.run(60, asking=True)
        assert fleet.canvas.presented == ["refresh-1", "spare-1", "spare-2", "spare-3"]
        assert worker.token() == "access-2"

    def test_definite_failure_keeps_the_spare(self, fleet: Fleet) -> None:
        """A spare that was never sent is good for the next attempt."""
        make_stale(fleet, unusable(), NotSentError("dns"), NotSentError("dns"))
        fleet.run(60, asking=True)
        assert fleet.canvas.presented == ["refresh-1", "spare", "spare", "spare"]

    def test_spare_that_is_dying(self, fleet: Fleet) -> None:
        """A spare with hardly any life is not worth a call, nor is the spent one before it."""
        make_stale(fleet, unusable(lifetime=10.0))
        fleet.run(60, asking=True)
        assert fleet.canvas.calls == [REFRESH, AUTHENTICATE]

    def test_redis_down_at_the_end(self, fleet: Fleet, worker: Worker, other: Worker) -> None:
        """If the spare cannot be kept, the keys do it, once the lease has run out."""
        make_stale(fleet, unusable())
        other.runtime.hold = True
        worker.link.before["commit_spare"] = lambda: setattr(worker.link, "down", True)
        fleet.run(12)
        worker.link.down = False
        fleet.run(60)
        assert fleet.canvas.calls == [REFRESH, AUTHENTICATE]


class TestShortLife:
    @pytest.mark.parametrize("lifetime", [1.0, 4.0, 20.0, 44.0])
    def test_never_a_loop(self, fleet: Fleet, lifetime: float) -> None:
        """An upstream that gives only short-lived tokens is asked with growing pauses."""
        fleet.canvas.lifetime = lifetime
        for worker in fleet.workers:
            worker.runtime.chance = 1.0
        for _ in range(600):
            fleet.run(0.2)
            for worker in fleet.workers:
                try_to_ask(worker)
        assert 4 <= len(fleet.canvas.calls) <= 40

    def test_never_more_than_once_a_second(self, fleet: Fleet) -> None:
        """Even where the jitter draws no pause at all, a second lies between two attempts."""
        fleet.canvas.lifetime = 1.0
        for worker in fleet.workers:
            worker.runtime.chance = 0.0
        for _ in range(100):
            fleet.run(0.2)
            for worker in fleet.workers:
                try_to_ask(worker)
        assert len(fleet.canvas.calls) <= 20

    def test_refresh_token_is_committed(self, fleet: Fleet, worker: Worker) -> None:
        """The refresh token of a short-lived answer is the one presented next."""
        fleet.canvas.lifetime = 4.0
        worker.refused()
        fleet.canvas.lifetime = 600.0
        fleet.run(6)
        assert worker.token() == "access-2"
        assert fleet.canvas.presented == ["refresh-1"]

    def test_served_if_there_is_nothing_better(self, fleet: Fleet, worker: Worker) -> None:
        """Twenty seconds of life are better than none, for the other worker too."""
        fleet.canvas.lifetime = 20.0
        assert worker.ask().expires_in == 19
        assert fleet.workers[1].ask().expires_in in {18, 19}
        assert worker.health().last_error == "short_life"

    def test_longer_lived_token_is_kept(self, fleet: Fleet, worker: Worker) -> None:
        """A short-lived answer does not displace a token that lives longer; nothing is lost."""
        make_stale(fleet)
        fleet.canvas.lifetime = 20.0
        fleet.run(11, asking=True)
        assert fleet.canvas.calls == [REFRESH]
        assert worker.token() == "access-1"
        fleet.canvas.lifetime = 600.0
        fleet.run(35, asking=True)
        assert fleet.canvas.presented == ["refresh-1", "refresh-2"]
        assert fleet.canvas.calls == [REFRESH, REFRESH]

    def test_forty_five_seconds_are_no_failure(self, fleet: Fleet, worker: Worker) -> None:
        """From 45 s of life on, a token is an ordinary one."""
        fleet.canvas.lifetime = 45.0
        worker.ask()
        assert worker.health().last_error is None
        fleet.run(120)
        assert len(fleet.canvas.calls) <= 8


class TestRefreshTokenLife:
    def test_over(self, fleet: Fleet, worker: Worker) -> None:
        """After its 24 h the refresh token is not presented: straight to Authenticate."""
        worker.ask()
        fleet.clock.sleep(86400)
        fleet.run(1)
        assert fleet.canvas.calls == [AUTHENTICATE, AUTHENTICATE]

    def test_almost_over(self, fleet: Fleet, worker: Worker) -> None:
        """A refresh token that could die on the way is not worth a call either."""
        worker.ask()
        fleet.clock.sleep(86400 - 9)
        fleet.run(1)
        assert fleet.canvas.calls == [AUTHENTICATE, AUTHENTICATE]

    def test_not_over(self, fleet: Fleet, worker: Worker) -> None:
        """A minute before its end it is still used, though the access token is long dead."""
        worker.ask()
        fleet.clock.sleep(86400 - 60)
        worker.ask()
        assert fleet.canvas.calls == [AUTHENTICATE, REFRESH]

    def test_shorter_than_the_access_token(self, fleet: Fleet) -> None:
        """A refresh token that dies before its access token turns stale is never presented."""
        fleet.canvas.refresh_lifetime = 300.0
        fleet.run(1000, asking=True)
        assert REFRESH not in fleet.canvas.calls


def try_to_ask(worker: Worker) -> None:
    """Ask, and be content with an error."""
    try:
        worker.ask()
    except TemporarilyUnavailableError:
        return
