"""Answers with a good access token and something wrong beside it."""

import pytest

from broker.errors import AmbiguousError, TemporarilyUnavailableError
from broker.tokens import Flaw, Kind
from tests.policy.fleet import KEYS, NEW_KEYS, Fleet, Worker, make_stale

AUTHENTICATE, REFRESH = Kind.AUTHENTICATE, Kind.REFRESH
NONE_GIVEN = frozenset({Flaw.NO_REFRESH_TOKEN})


class TestNoRefreshToken:
    @pytest.fixture(autouse=True)
    def none_given(self, fleet: Fleet) -> None:
        """Let Canvas give none."""
        fleet.canvas.gives_refresh_tokens = False
        fleet.canvas.flaws = NONE_GIVEN

    def test_the_access_token_is_served(self, fleet: Fleet, worker: Worker, other: Worker) -> None:
        """By every worker, for as long as it lives, in the state that its life gives it."""
        served = worker.ask()
        assert (served.access_token.reveal(), served.expires_in) == ("access-1", 599)
        assert other.token() == "access-1"
        assert fleet.canvas.calls == [AUTHENTICATE]

    def test_the_next_one_comes_by_authenticate_at_the_margin(self, fleet: Fleet) -> None:
        """As often as with refresh tokens, and never in a loop."""
        fleet.canvas.lifetime = 120.0
        fleet.run(400, asking=True)
        assert set(fleet.canvas.calls) == {AUTHENTICATE}
        assert 5 <= len(fleet.canvas.calls) <= 7
        assert fleet.canvas.presented == []

    def test_the_record_is_kept_as_long_as_others(self, fleet: Fleet, worker: Worker) -> None:
        """A generation that was served must not be forgotten with the access token."""
        worker.ask()
        record = fleet.shelf().record
        assert record is not None
        assert fleet.shelf().ends == record.expires_at + 43200.0

    def test_health_names_the_flaw_and_no_expiry(
        self, fleet: Fleet, worker: Worker, other: Worker
    ) -> None:
        """Also the health of a worker that only read the record."""
        worker.ask()
        other.ask()
        for one in (worker, other):
            found = one.health()
            assert found.flaws == ("no_refresh_token",)
            assert (found.refresh_expires_in, found.refresh_lifetime) == (None, None)
            assert (found.failures, found.last_error) == (0, None)

    def test_it_is_put_back_as_it_was(self, fleet: Fleet, worker: Worker, other: Worker) -> None:
        """A Redis that lost it gets it back, still without a refresh token."""
        token = worker.token()
        assert other.token() == token
        fleet.flush()
        fleet.run(2, asking=True)
        record = fleet.shelf().record
        assert record is not None
        assert record.access_token.reveal() == token
        assert (record.refresh_token, record.refresh_expires_at) == (None, None)

    def test_short_life_without_a_refresh_token_is_a_failure_like_others(
        self, fleet: Fleet, worker: Worker
    ) -> None:
        """It displaces nothing better, and leaves a backoff."""
        make_stale(fleet)
        fleet.canvas.lifetime = 20.0
        fleet.run(30, asking=True)
        assert worker.token() == "access-1"
        assert worker.health().last_error == "short_life"
        assert len(fleet.canvas.calls) <= 8
        fleet.canvas.lifetime = 600.0
        fleet.run(35, asking=True)
        assert worker.health().last_error is None

    def test_a_refresh_token_comes_back(self, fleet: Fleet, worker: Worker) -> None:
        """All is as before with the first answer that has one."""
        worker.ask()
        fleet.canvas.gives_refresh_tokens, fleet.canvas.flaws = True, frozenset()
        fleet.run(405)
        assert worker.health().flaws == ()
        assert worker.health().refresh_expires_in is not None


class TestTold:
    def test_once_for_each_kind_while_it_lasts(self, fleet: Fleet) -> None:
        """Whichever worker gets the answers; and again when it comes back."""
        fleet.canvas.lifetime = 90.0
        fleet.canvas.flaws = NONE_GIVEN
        fleet.run(150, asking=True)
        assert fleet.canvas.answers >= 3
        assert told(fleet) == ["acme flawed no_refresh_token"]
        fleet.canvas.flaws = NONE_GIVEN | {Flaw.NO_PREFIX}
        fleet.run(60, asking=True)
        assert told(fleet) == ["acme flawed no_refresh_token", "acme flawed no_prefix"]
        fleet.canvas.flaws = frozenset()
        fleet.run(60, asking=True)
        fleet.canvas.flaws = NONE_GIVEN
        fleet.run(60, asking=True)
        assert told(fleet).count("acme flawed no_refresh_token") == 2

    def test_also_where_redis_takes_no_commit(self, fleet: Fleet, worker: Worker) -> None:
        """What Canvas does has nothing to do with Redis."""
        fleet.canvas.flaws = NONE_GIVEN

        def cut() -> None:
            worker.link.down = True

        worker.link.before["commit"] = cut
        worker.ask()
        assert told(fleet) == ["acme flawed no_refresh_token"]


class TestSameTokenAgain:
    """Some cache gives an old answer as if it were new."""

    def test_its_end_is_never_extended(self, fleet: Fleet, worker: Worker) -> None:
        """It dies when it was to die, whatever the new answer says."""
        fleet.canvas.lifetime = 90.0
        ends = worker.ask().expires_in + fleet.clock.monotonic()
        fleet.canvas.lifetime = 600.0
        fleet.canvas.repeats = True
        while fleet.clock.monotonic() < ends - 8:
            fleet.run(1)
            served = worker.ask()
            assert served.access_token.reveal() == "access-1"
            assert fleet.clock.monotonic() + served.expires_in <= ends + 1
        fleet.clock.sleep(8)
        assert worker.refused().retry_after >= 1

    def test_it_is_a_failure_and_no_loop(self, fleet: Fleet, worker: Worker) -> None:
        """With a backoff, until another token comes."""
        make_stale(fleet)
        fleet.canvas.repeats = True
        fleet.run(120, asking=True)
        assert worker.health().last_error == "repeated_token"
        assert 2 <= len(fleet.canvas.calls) <= 20
        fleet.canvas.repeats = False
        fleet.run(35, asking=True)
        assert worker.token() == "access-2"
        assert worker.health().last_error is None

    def test_its_refresh_token_is_not_presented(self, fleet: Fleet) -> None:
        """The answer was given before, so the refresh token may have been presented before."""
        make_stale(fleet)
        fleet.canvas.repeats = True
        fleet.run(120, asking=True)
        assert fleet.canvas.presented == ["refresh-1"]
        assert fleet.canvas.calls[1:] == [AUTHENTICATE] * (len(fleet.canvas.calls) - 1)

    def test_a_refused_token_is_not_served_under_another_generation(
        self, fleet: Fleet, worker: Worker
    ) -> None:
        """Who was refused with it is told to wait until there is another one."""
        served = worker.ask()
        fleet.clock.sleep(11)
        fleet.canvas.repeats = True
        worker.refused(rejected=served.generation)
        fleet.run(20)
        worker.refused(rejected=served.generation)
        assert worker.ask().generation == served.generation
        fleet.canvas.repeats = False
        fleet.run(35)
        assert worker.ask(rejected=served.generation).access_token.reveal() == "access-2"

    def test_under_new_credentials_it_is_a_new_record(self, fleet: Fleet, worker: Worker) -> None:
        """Canvas takes both keys for the same user; it ends when it was to end."""
        worker.ask()
        fleet.clock.sleep(100)
        fleet.canvas.repeats = True
        fleet.configure({"acme": NEW_KEYS})
        fleet.run(2)
        assert worker.health().record_version == NEW_KEYS.version != KEYS.version
        assert worker.ask().expires_in <= 500

    def test_under_new_credentials_its_refresh_token_is_not_presented(
        self, fleet: Fleet, worker: Worker
    ) -> None:
        """It was presented for the old ones: the cache does not tell the two apart."""
        make_stale(fleet)
        fleet.canvas.errors, fleet.canvas.repeats = [AmbiguousError("timeout")], True
        fleet.run(2)
        assert fleet.canvas.presented == ["refresh-1"]
        fleet.configure({"acme": NEW_KEYS})
        fleet.run(150)
        assert worker.health().record_version == NEW_KEYS.version
        assert fleet.canvas.presented == ["refresh-1"]

    def test_its_end_is_not_extended_by_another_process(
        self, fleet: Fleet, worker: Worker, other: Worker
    ) -> None:
        """One that never held it cannot know; one that did still knows."""
        fleet.canvas.lifetime = 90.0
        ends = worker.ask().expires_in + fleet.clock.monotonic()
        fleet.flush()
        fleet.canvas.lifetime, fleet.canvas.repeats = 600.0, True
        assert other.ask().access_token.reveal() == "access-1"
        fleet.clock.sleep(2)
        served = worker.ask()
        assert served.access_token.reveal() == "access-1"
        assert fleet.clock.monotonic() + served.expires_in <= ends + 1

    @pytest.mark.parametrize("replayed", [1, 2, 3])
    def test_an_earlier_one_is_not_extended(
        self, fleet: Fleet, worker: Worker, replayed: int
    ) -> None:
        """Nor is its refresh token presented again: a cache may hold an answer for long."""
        for _ in range(2):
            make_stale(fleet)
            fleet.run(2)
        assert fleet.canvas.presented == ["refresh-1", "refresh-2"]
        make_stale(fleet)
        fleet.canvas.repeats, fleet.canvas.replayed = True, replayed
        while worker.health().state != "empty":
            assert worker.token() == "access-3"
            fleet.run(1)
        assert isinstance(worker.refused(), TemporarilyUnavailableError)
        assert worker.health().last_error == "repeated_token"
        assert fleet.canvas.presented == ["refresh-1", "refresh-2", "refresh-3"]
        fleet.canvas.repeats, fleet.canvas.replayed = False, None
        fleet.run(10)
        assert worker.token() == "access-4"

    def test_a_dead_one_is_not_committed(self, fleet: Fleet, worker: Worker) -> None:
        """Also where the present one was refused, and the credentials are others."""
        make_stale(fleet)
        fleet.run(200)
        served = worker.ask()
        fleet.canvas.repeats, fleet.canvas.replayed = True, 1
        worker.refused(rejected=served.generation)
        fleet.configure({"acme": NEW_KEYS})
        fleet.run(20)
        assert worker.token() == "access-2"
        assert fleet.shelf(NEW_KEYS).record is None


def told(fleet: Fleet) -> list[str]:
    """Return all that was told of flaws, by all workers."""
    return [line for one in fleet.workers for line in one.notes.lines if " flawed " in line]
