"""Redis loses its records, or another server answers in its place."""

from broker.tokens import Kind
from tests.policy.fleet import LIMITS, Fleet, Worker, commit_elsewhere

AUTHENTICATE, REFRESH = Kind.AUTHENTICATE, Kind.REFRESH


class TestFlushed:
    def test_copy_is_put_back(self, fleet: Fleet, worker: Worker, other: Worker) -> None:
        """The copy in memory becomes the record again, under its generation."""
        generation = worker.ask().generation
        fleet.flush()
        fleet.clock.sleep(1)
        worker.tick()
        assert fleet.shelf().generation == generation
        assert other.token() == "access-1"
        assert fleet.canvas.calls == [AUTHENTICATE]

    def test_its_refresh_token_counts_as_spent(self, fleet: Fleet, worker: Worker) -> None:
        """The mark may have been lost with the record: the next attempt authenticates."""
        fleet.run(10, asking=True)
        fleet.flush()
        fleet.run(395, asking=True)
        assert fleet.canvas.calls == [AUTHENTICATE, AUTHENTICATE]
        assert worker.token() == "access-2"

    def test_in_the_middle_of_a_refresh(self, fleet: Fleet, worker: Worker, other: Worker) -> None:
        """The refresh token that is being redeemed is not presented by anybody else."""
        fleet.run(399, asking=True)

        def flush() -> None:
            fleet.canvas.before_answer = lambda: None
            fleet.flush()
            fleet.clock.sleep(2)
            other.runtime.hold = True
            other.tick()

        fleet.canvas.before_answer = flush
        fleet.run(5)
        other.runtime.hold = False
        other.runtime.release()
        fleet.run(5, asking=True)
        assert fleet.canvas.presented == ["refresh-1"]

    def test_nothing_in_memory(self, fleet: Fleet, worker: Worker, other: Worker) -> None:
        """If no worker has a copy, one Authenticate brings the next token."""
        worker.ask()
        fleet.clock.sleep(700)
        fleet.flush()
        assert {worker.token(), other.token()} == {"access-2"}
        assert fleet.canvas.calls == [AUTHENTICATE, AUTHENTICATE]

    def test_dying_copy_is_not_put_back(self, fleet: Fleet, worker: Worker) -> None:
        """A copy that must not be served is no use to anybody."""
        worker.ask()
        fleet.clock.sleep(596)
        fleet.flush()
        worker.link.counts.clear()
        fleet.run(1)
        assert worker.link.counts["republish"] == 0

    def test_times_survive(self, fleet: Fleet, worker: Worker, other: Worker) -> None:
        """A record that was put back expires when its token does."""
        worker.ask()
        fleet.clock.sleep(200)
        fleet.flush()
        fleet.run(1)
        assert abs(other.ask().expires_in - worker.ask().expires_in) <= 1

    def test_somebody_commits_just_before(self, fleet: Fleet, worker: Worker) -> None:
        """A record that came between the look and the putting back is taken over at once."""
        worker.ask()
        fleet.clock.sleep(1)
        fleet.flush()
        worker.link.before["republish"] = lambda: commit_elsewhere(fleet)
        worker.tick()
        assert worker.token() == "access-elsewhere"


class TestLastWriteLost:
    def test_higher_generation_comes_back(
        self, fleet: Fleet, worker: Worker, other: Worker
    ) -> None:
        """The replica missed the last commit: within two looks the fleet is back at it."""
        fleet.run(399, asking=True)
        backup = fleet.backup()
        fleet.run(5, asking=True)
        newest = worker.ask().generation
        fleet.fail_over(backup)
        fleet.run(2, asking=True)
        assert fleet.shelf().generation == newest
        assert worker.ask().generation == other.ask().generation == newest

    def test_lost_mark_is_not_missed(self, fleet: Fleet, worker: Worker) -> None:
        """The replica missed the mark: the refresh token is not presented a second time."""
        fleet.run(399, asking=True)
        backup = fleet.backup()

        def fail_over() -> None:
            fleet.canvas.before_answer = lambda: None
            fleet.fail_over(backup)
            worker.link.down = True

        fleet.canvas.before_answer = fail_over
        fleet.run(40)
        assert fleet.canvas.presented == ["refresh-1"]
        assert fleet.canvas.calls.count(AUTHENTICATE) == 2


class TestForeignRecord:
    def test_newcomer_does_not_serve_it(self, fleet: Fleet, worker: Worker, other: Worker) -> None:
        """Its expiry was told by another clock: who has no copy gets a new token, in time."""
        worker.ask()
        fleet.fail_over()
        other.refused()
        fleet.clock.sleep(LIMITS.lease)
        assert other.token() == "access-2"

    def test_newcomer_does_not_present_its_refresh_token(
        self, fleet: Fleet, worker: Worker, other: Worker
    ) -> None:
        """Its mark may be lost: the newcomer authenticates."""
        worker.ask()
        fleet.fail_over()
        other.refused()
        assert fleet.canvas.calls == [AUTHENTICATE]
        fleet.clock.sleep(LIMITS.lease)
        other.ask()
        assert fleet.canvas.calls == [AUTHENTICATE, AUTHENTICATE]

    def test_copy_makes_it_at_home(self, fleet: Fleet, worker: Worker, other: Worker) -> None:
        """A worker that has it in memory vouches for it; then everybody may serve it."""
        worker.ask()
        fleet.fail_over()
        fleet.clock.sleep(1)
        worker.tick()
        assert fleet.shelf().server == fleet.server.name
        assert other.token() == "access-1"
        assert fleet.canvas.calls == [AUTHENTICATE]

    def test_made_at_home_its_refresh_token_is_spent(self, fleet: Fleet, worker: Worker) -> None:
        """Vouching for the access token does not vouch for the refresh token."""
        fleet.run(10, asking=True)
        fleet.fail_over()
        fleet.run(395, asking=True)
        assert fleet.canvas.calls == [AUTHENTICATE, AUTHENTICATE]

    def test_server_whose_clock_is_behind(
        self, fleet: Fleet, worker: Worker, other: Worker
    ) -> None:
        """Ten minutes between two servers' clocks lengthen no token's life."""
        worker.ask()
        fleet.clock.sleep(300)
        fleet.server.now = lambda: fleet.clock.redis() - 600
        fleet.fail_over()
        fleet.run(1)
        assert worker.ask().expires_in <= 299
        assert other.ask().expires_in <= 299

    def test_generation_grows_although_the_clock_went_back(
        self, fleet: Fleet, worker: Worker, other: Worker
    ) -> None:
        """The next record's generation is above all that were served."""
        generation = worker.ask().generation
        fleet.run(1, asking=True)
        fleet.server.now = lambda: fleet.clock.redis() - 86400
        fleet.fail_over()
        fleet.run(405, asking=True)
        assert worker.ask().generation > generation
        assert other.ask().generation == worker.ask().generation


def test_served_generation_grows_although_a_commit_is_late_and_the_clock_went_back(
    fleet: Fleet, worker: Worker
) -> None:
    """Neither before nor after it lands is a token served under a lower generation."""
    fleet.workers.remove(fleet.workers[1])
    first = worker.ask().generation
    fleet.server.now = lambda: fleet.clock.redis() - 86400
    fleet.fail_over()
    fleet.run(390, asking=True)
    worker.link.before["commit"] = lambda: setattr(worker.link, "down", True)
    fleet.run(15, asking=True)
    provisional = worker.ask()
    assert provisional.access_token.reveal() == "access-2"
    assert provisional.generation > first
    worker.link.down = False
    fleet.run(1)
    assert worker.ask().generation >= provisional.generation
    assert worker.health().landed


def test_newcomer_trusts_no_record_to_live_longer_than_its_token(
    fleet: Fleet, worker: Worker, other: Worker
) -> None:
    """If the server's clock is set back, a record there does not seem to live longer."""
    worker.ask()
    fleet.clock.sleep(300)
    fleet.server.now = lambda: fleet.clock.redis() - 3600
    other.refused()
    fleet.run(1)
    assert other.ask().expires_in <= 299


def test_generation_grows_strictly(fleet: Fleet) -> None:
    """Over refreshes, flushes and failovers the stored generation only grows."""
    seen = [0]
    for number in range(30):
        fleet.run(100, asking=True)
        seen.append(fleet.workers[number % 2].ask().generation)
        if number % 5 == 2:
            fleet.flush()
        if number % 7 == 3:
            fleet.fail_over()
    assert seen == sorted(seen)
    assert len(set(seen)) >= 8
