"""Found by the simulation and by the edge's tests: each of these went wrong once."""

import pytest

from broker.errors import (
    AmbiguousError,
    CredentialsRejectedError,
    KeysRejectedError,
    TemporarilyUnavailableError,
)
from broker.tokens import State
from tests.policy.fleet import ACME, KEEP_WARM, KEYS, LIMITS, NEW_KEYS, Fleet, Worker


def test_an_idle_pod_finds_out_that_canvas_is_back(fleet: Fleet, worker: Worker) -> None:
    """A pod that is not ready is asked nothing; it goes on trying until it has a token."""
    fleet.canvas.errors = [AmbiguousError("status_500")] * 10_000
    fleet.run(KEEP_WARM + 1000)
    assert worker.health().state is State.EMPTY
    fleet.canvas.errors = []
    fleet.run(75)
    assert worker.health().state is State.FRESH


def test_new_credentials_win_over_a_later_commit_under_the_old(fleet: Fleet) -> None:
    """A worker that has the old keys still may commit last; who has the new ones leaves it.

    The new record is lifted above the generation that was served: neither an old token nor a
    lower generation is given out.
    """
    early, late = fleet.workers
    fleet.run(1)
    fleet.clock.sleep(300)
    early.broker.configure({ACME: NEW_KEYS})
    early.tick()
    new = early.token()
    fleet.clock.sleep(120)
    late.tick()
    old = late.ask()
    assert old.generation > fleet.shelf(NEW_KEYS).generation
    assert fleet.shelf(KEYS).generation == old.generation
    fleet.canvas.errors = [AmbiguousError("status_500")] * 100
    late.broker.configure({ACME: NEW_KEYS})
    late.tick()
    served = late.ask()
    assert served.access_token.reveal() == new
    assert served.generation == old.generation + 1
    assert fleet.shelf(NEW_KEYS).generation == served.generation


def test_a_latch_is_told_even_while_redis_is_silent(fleet: Fleet, worker: Worker) -> None:
    """Who must act is the one with the keys: that Redis is away too does not hide it."""
    fleet.canvas.errors = [KeysRejectedError("keys_rejected")] * 10
    fleet.run(2)
    worker.link.down = True
    fleet.run(2)
    assert isinstance(worker.refused(), CredentialsRejectedError)


def test_a_refused_token_gives_way_to_a_short_lived_one(fleet: Fleet, worker: Worker) -> None:
    """What Canvas refuses is not better, however long it has to live."""
    old = worker.ask()
    fleet.clock.sleep(20)
    fleet.canvas.lifetime = 40
    assert worker.ask(rejected=old.generation).generation > old.generation


@pytest.mark.parametrize(("error", "least"), [(KeysRejectedError("keys_rejected"), 25)])
def test_no_other_token_says_when_to_come_back(
    fleet: Fleet, worker: Worker, error: KeysRejectedError, least: float
) -> None:
    """While no attempt will be made, callers are not told to come back every second."""
    old = worker.ask()
    fleet.clock.sleep(20)
    fleet.canvas.errors = [error] * 4
    first = worker.refused(rejected=old.generation)
    assert isinstance(first, TemporarilyUnavailableError)
    assert worker.refused(rejected=old.generation).retry_after >= least


def test_a_short_lived_token_displaces_nobodys_better_one(fleet: Fleet) -> None:
    """A worker that has none commits a token of 40 s; one that has a good one keeps serving it."""
    rich, poor = fleet.workers
    served = rich.ask()
    fleet.fail_over()
    poor.refused()
    fleet.clock.sleep(LIMITS.lease)
    fleet.canvas.lifetime = 40
    poor.ask()
    fleet.clock.sleep(60)
    assert rich.ask().generation == served.generation


def test_a_doubted_token_gives_way_to_a_short_lived_one(fleet: Fleet) -> None:
    """Who was told that its better token is refused takes what there is."""
    rich, poor = fleet.workers
    served = rich.ask()
    fleet.fail_over()
    poor.refused()
    fleet.clock.sleep(LIMITS.lease)
    fleet.canvas.lifetime = 40
    poor.ask()
    assert rich.ask(rejected=served.generation).generation > served.generation


def test_keys_rolled_back_leave_the_fresh_token_in_service(fleet: Fleet, worker: Worker) -> None:
    """The old keys' own record has seconds left: it does not displace the token of the others."""
    fleet.run(1)
    fleet.clock.sleep(560)
    fleet.configure({ACME: NEW_KEYS})
    worker.tick()
    assert worker.ask().expires_in > 500
    fleet.configure({ACME: KEYS})
    for _ in range(60):
        fleet.clock.sleep(1)
        worker.tick()
        assert worker.ask().expires_in > 500
    assert worker.health().record_version == KEYS.version
