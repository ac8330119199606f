"""Redis is slow, gone, or its answers are: reading stays open, redeeming is closed."""

from contextlib import suppress
from dataclasses import replace

import pytest

from broker.errors import NoStoreError, UnavailableError
from broker.policy.landing import land
from broker.tokens import Kind, State
from tests.policy.fleet import Fleet, Worker

AUTHENTICATE, REFRESH = Kind.AUTHENTICATE, Kind.REFRESH


def lose_commit(worker: Worker) -> None:
    """Let Redis be down for ``worker`` from its next commit on."""
    worker.link.before["commit"] = lambda: setattr(worker.link, "down", True)


class TestDown:
    def test_valid_token_is_served_to_its_end(self, fleet: Fleet, worker: Worker) -> None:
        """The copy in memory is served until it is about to expire; nothing is redeemed."""
        worker.ask()
        worker.link.down = True
        fleet.workers.remove(fleet.workers[1])
        fleet.run(590, asking=True)
        assert worker.ask().state is State.CRITICAL
        assert fleet.canvas.calls == [AUTHENTICATE]
        assert not worker.health().store_answers

    def test_then_there_is_nothing(self, fleet: Fleet, worker: Worker) -> None:
        """When the copy is dying, the store is named as the reason."""
        worker.ask()
        worker.link.down = True
        fleet.clock.sleep(600)
        error = worker.refused()
        assert isinstance(error, NoStoreError)
        assert error.retry_after == 2

    def test_nothing_in_memory(self, fleet: Fleet, worker: Worker) -> None:
        """A worker that starts without Redis gives 503, and does not call Canvas on its own."""
        worker.link.down = True
        assert isinstance(worker.refused(), NoStoreError)
        assert fleet.canvas.calls == []
        assert "acme store failed connection" in worker.notes.lines

    def test_back_again(self, fleet: Fleet, worker: Worker) -> None:
        """Once Redis answers, the worker goes on by itself."""
        worker.link.down = True
        worker.refused()
        worker.link.down = False
        fleet.run(1)
        assert worker.ask().access_token.reveal() == "access-1"
        assert worker.health().store_answers

    def test_back_again_while_nobody_asks(self, fleet: Fleet, worker: Worker) -> None:
        """Health does not tell of an outage until the token turns stale."""
        worker.ask()
        worker.link.down = True
        fleet.run(12)
        worker.link.down = False
        assert not worker.health().store_answers
        fleet.run(40)
        assert worker.health().store_answers

    @pytest.mark.parametrize("seconds", [0.75, 1.5])
    def test_hung_redis_costs_a_request_its_limit_only_once(
        self, fleet: Fleet, worker: Worker, seconds: float
    ) -> None:
        """A request makes one attempt to reach a Redis that hangs, whatever it asks for."""
        worker.link.down, worker.link.seconds = True, seconds
        began = fleet.clock.monotonic()
        assert isinstance(worker.refused(), NoStoreError)
        assert fleet.clock.monotonic() - began <= seconds + 0.01

    @pytest.mark.parametrize("min_ttl", [0, 540])
    @pytest.mark.parametrize("reports", [False, True])
    def test_hung_redis_and_a_dying_token(
        self, fleet: Fleet, worker: Worker, min_ttl: int, *, reports: bool
    ) -> None:
        """The look, the wait and the report of one request together stay below 4.5 s."""
        generation = worker.ask().generation
        fleet.clock.sleep(578)
        worker.link.down, worker.link.seconds = True, 1.5
        began = fleet.clock.monotonic()
        with suppress(UnavailableError):
            worker.ask(min_ttl=min_ttl, rejected=generation if reports else None)
        assert fleet.clock.monotonic() - began <= 4.5

    def test_unreadable_answer(self, fleet: Fleet, worker: Worker) -> None:
        """Whatever Redis answers, a valid token is served."""
        worker.ask()
        worker.link.crashes = {"read"}
        fleet.workers.remove(fleet.workers[1])
        fleet.run(60, asking=True)
        fleet.clock.sleep(30)
        assert worker.token() == "access-1"
        assert "acme crashed ZeroDivisionError" in worker.notes.lines


class TestCommit:
    def test_not_written(self, fleet: Fleet, worker: Worker) -> None:
        """A token that could not be written down is served from memory."""
        lose_commit(worker)
        assert worker.token() == "access-1"
        assert not worker.health().landed

    def test_lands_later(self, fleet: Fleet, worker: Worker, other: Worker) -> None:
        """The commit is repeated until it lands; then the whole fleet has the token."""
        lose_commit(worker)
        worker.ask()
        fleet.run(5)
        worker.link.down = False
        fleet.run(1)
        assert worker.health().landed
        assert other.token() == "access-1"
        fleet.run(400, asking=True)
        assert fleet.canvas.calls == [AUTHENTICATE, REFRESH]

    def test_lands_although_nobody_asks_any_more(self, fleet: Fleet, worker: Worker) -> None:
        """An idle organization's commit is repeated as well."""
        lose_commit(worker)
        worker.ask()
        fleet.run(60)
        worker.link.down = False
        fleet.run(1)
        assert worker.health().landed

    def test_generation_does_not_go_back(self, fleet: Fleet, worker: Worker) -> None:
        """The generation served before it landed is below the one served afterwards."""
        lose_commit(worker)
        provisional = worker.ask().generation
        worker.link.down = False
        fleet.run(1)
        assert worker.ask().generation > provisional
        assert fleet.shelf().generation == worker.ask().generation

    def test_nothing_is_redeemed_meanwhile(self, fleet: Fleet, worker: Worker) -> None:
        """While its commit has not landed, a process makes no further call."""
        lose_commit(worker)
        worker.ask()
        fleet.workers[1].link.down = True
        fleet.run(590)
        worker.ask()
        assert fleet.canvas.calls == [AUTHENTICATE]

    def test_superseded(self, fleet: Fleet, worker: Worker, other: Worker) -> None:
        """Another worker has committed before Redis came back: that record is taken over."""
        lose_commit(worker)
        worker.ask()
        fleet.clock.sleep(30)
        newer = other.ask()
        worker.link.down = False
        fleet.run(1)
        assert worker.token() == newer.access_token.reveal() == "access-2"
        assert worker.health().landed
        assert fleet.shelf().generation == newer.generation

    def test_answer_lost(self, fleet: Fleet, worker: Worker, other: Worker) -> None:
        """A commit that landed unseen is repeated under its attempt id: the same generation."""
        worker.link.deaf = {"commit"}
        worker.ask()
        stands = fleet.shelf().generation
        worker.link.deaf = set()
        fleet.run(1)
        assert worker.ask().generation == other.ask().generation == stands
        assert worker.health().landed
        assert fleet.canvas.calls == [AUTHENTICATE]

    def test_flushed_before_it_lands(self, fleet: Fleet, worker: Worker, other: Worker) -> None:
        """A Redis that comes back empty takes the commit all the same."""
        worker.ask()
        fleet.run(390, asking=True)
        lose_commit(worker)
        other.runtime.hold = True
        fleet.run(15)
        fleet.flush()
        worker.link.down = False
        fleet.run(1)
        assert worker.health().landed
        assert fleet.shelf().record is not None
        assert worker.token() == "access-2"

    def test_short_lived_one_lands_with_its_backoff(self, fleet: Fleet, worker: Worker) -> None:
        """The backoff of a short-lived token reaches the fleet with the commit."""
        fleet.canvas.lifetime = 20.0
        lose_commit(worker)
        worker.ask()
        worker.link.down = False
        fleet.run(5)
        assert fleet.shelf().backoff is not None

    def test_lands_twice_at_the_same_time(self, fleet: Fleet, worker: Worker) -> None:
        """A thread that lands an old commit does not forget a newer one that has not landed."""
        lose_commit(worker)
        worker.ask()
        worker.link.down = False
        organization = worker.broker._organizations["acme"]
        first = organization.unlanded
        assert first is not None
        newer = replace(first, attempt="newer")
        worker.link.before["commit"] = lambda: setattr(organization, "unlanded", newer)
        land(organization, fleet.clock)
        assert organization.unlanded is newer

    def test_record_lives_as_long_as_its_token_on_a_slow_redis(
        self, fleet: Fleet, worker: Worker
    ) -> None:
        """However long the grant took, no reader takes the token to live longer than it does."""
        worker.link.seconds = 1.0
        expires_in = worker.ask().expires_in
        record = fleet.shelf().record
        assert record is not None
        assert record.expires_at - fleet.clock.redis() <= expires_in + 1


class TestFinish:
    def test_lands_what_has_not_landed(self, fleet: Fleet, worker: Worker) -> None:
        """On the way out the commit is repeated until it lands."""
        lose_commit(worker)
        worker.ask()
        fleet.clock.later(3.0, lambda: setattr(worker.link, "down", False))
        assert worker.broker.finish(10.0)
        assert fleet.shelf().record is not None

    def test_gives_up_in_time(self, fleet: Fleet, worker: Worker) -> None:
        """It takes no longer than it may, and tells that something was left undone."""
        lose_commit(worker)
        worker.ask()
        began = fleet.clock.monotonic()
        assert not worker.broker.finish(10.0)
        assert fleet.clock.monotonic() - began <= 10.2

    def test_waits_for_a_flight(self, fleet: Fleet, worker: Worker) -> None:
        """A flight under way is not left alone: its refresh token would be lost."""
        worker.runtime.hold = True
        worker.tick()
        assert not worker.broker.finish(1.0)
        fleet.clock.later(2.0, worker.runtime.release)
        assert worker.broker.finish(10.0)
        assert worker.health().generation == fleet.shelf().generation

    def test_nothing_to_do(self, fleet: Fleet, worker: Worker) -> None:
        """With everything landed it takes no time."""
        worker.ask()
        began = fleet.clock.monotonic()
        assert worker.broker.finish(10.0)
        assert fleet.clock.monotonic() == began
