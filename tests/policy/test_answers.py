"""What a caller and an operator may know of an organization."""

import pytest

from broker.errors import AmbiguousError, KeysRejectedError
from broker.tokens import State
from tests.fakes import credentials
from tests.policy.fleet import KEYS, Fleet, Worker


class TestHealth:
    def test_nothing_known_yet(self, worker: Worker) -> None:
        """Before the first look there is a name, a version and no token."""
        health = worker.health()
        assert (health.organization, health.state) == ("acme", State.EMPTY)
        assert health.generation is health.expires_in is health.last_refresh is None
        assert health.credential_version == KEYS.version
        assert health.record_version is None

    def test_good(self, fleet: Fleet, worker: Worker) -> None:
        """Seconds to the expiry of both tokens, and since the last refresh."""
        served = worker.ask()
        fleet.clock.sleep(100)
        health = worker.health()
        assert health.state is State.FRESH
        assert health.generation == served.generation
        assert health.expires_in == pytest.approx(499.9)
        assert health.refresh_expires_in == pytest.approx(86299.9)
        assert health.last_refresh == pytest.approx(100.1)
        assert (health.last_error, health.failures, health.latched) == (None, 0, False)
        assert health.store_answers
        assert health.landed

    def test_worker_that_did_not_refresh_itself(
        self, fleet: Fleet, worker: Worker, other: Worker
    ) -> None:
        """It tells the same times, though its clock counts from elsewhere."""
        worker.ask()
        fleet.clock.sleep(50)
        other.ask()
        health = other.health()
        assert health.expires_in == pytest.approx(549.9, abs=0.2)
        assert health.last_refresh == pytest.approx(50.1, abs=0.2)

    def test_failing(self, fleet: Fleet, worker: Worker) -> None:
        """The kind of the last error, how often, and the seconds to the next attempt."""
        fleet.canvas.errors = [AmbiguousError("timeout")]
        worker.runtime.chance = 1.0
        worker.refused()
        health = worker.health()
        assert (health.last_error, health.failures, health.latched) == ("timeout", 1, False)
        assert health.next_attempt_in == pytest.approx(2.0)
        fleet.clock.sleep(60)
        assert worker.health().next_attempt_in == 0

    def test_latched(self, fleet: Fleet, worker: Worker) -> None:
        """Refused keys are told apart, with the time of the next probe."""
        fleet.canvas.errors = [KeysRejectedError("keys_rejected")]
        worker.refused()
        health = worker.health()
        assert (health.last_error, health.latched) == ("keys_rejected", True)
        assert health.next_attempt_in == pytest.approx(30)

    def test_one_line_each_by_name(self, fleet: Fleet, worker: Worker) -> None:
        """Organizations come in the order of their names."""
        fleet.configure({name: credentials("c") for name in ("zeta", "alpha", "mu")})
        names = [health.organization for health in worker.broker.health()]
        assert names == ["alpha", "mu", "zeta"]

    def test_no_secret(self, fleet: Fleet, worker: Worker) -> None:
        """Neither health nor an answer shows a token or a key when it is printed."""
        served = worker.ask()
        shown = f"{worker.health()!r} {served!r} {worker.notes.lines!r}"
        for secret in ("access-1", "refresh-1", KEYS.consumer.reveal(), KEYS.secret_key.reveal()):
            assert secret not in shown


@pytest.mark.parametrize("left", [590.0, 205.0, 150.0, 20.0])
@pytest.mark.parametrize("chance", [0.0, 1.0])
def test_refresh_in_lies_within_the_life(
    fleet: Fleet, worker: Worker, left: float, chance: float
) -> None:
    """Asking again is advised after a second at the earliest, and before the token's end."""
    worker.ask()
    fleet.clock.sleep(600 - left)
    worker.runtime.chance = chance
    fleet.canvas.errors = [AmbiguousError("timeout")]
    served = worker.ask()
    assert 1 <= served.refresh_in <= served.expires_in
    assert isinstance(served.refresh_in, int)


def test_notes(fleet: Fleet, worker: Worker) -> None:
    """The observer learns of every call, commit and failure, by organization."""
    fleet.canvas.errors = [AmbiguousError("timeout")]
    worker.refused()
    fleet.clock.sleep(5)
    worker.ask()
    assert worker.notes.lines == [
        "acme failed authenticate timeout",
        "acme redeemed authenticate",
        "acme committed",
    ]
