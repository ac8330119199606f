"""What a process can do for callers: the part of readiness that its broker knows."""

import pytest

from broker.errors import KeysRejectedError, NotSentError
from broker.policy.answers import Ability
from broker.store_faults import Reason, StoreFault
from tests.fakes import credentials
from tests.policy.fleet import ACME, Fleet, Worker, commit_elsewhere

ABLE = Ability(written=True, serving=True)


@pytest.fixture
def fleet() -> Fleet:
    """Make one of a single worker."""
    return Fleet(1)


def test_before_redis_has_answered_nobody_can_tell(worker: Worker) -> None:
    """Nothing hinders yet, and nothing was tried."""
    assert worker.broker.ability() == Ability(written=False, serving=False)


def test_after_the_first_write(worker: Worker) -> None:
    """At the first tick, with nobody asking."""
    worker.tick()
    assert worker.broker.ability() == ABLE


def test_without_redis(fleet: Fleet, worker: Worker) -> None:
    """Until it is there."""
    worker.link.down = True
    fleet.run(5)
    assert worker.broker.ability() == Ability(written=False, serving=False)
    worker.link.down = False
    fleet.run(2)
    assert worker.broker.ability() == ABLE


def test_who_may_only_read_has_not_written(fleet: Fleet, worker: Worker) -> None:
    """It holds the fleet's token, and could never refresh it."""
    commit_elsewhere(fleet)
    worker.link.refuses = Reason(StoreFault.PERMISSION, "set")
    fleet.run(2, asking=True)
    assert worker.broker.ability() == Ability(written=False, serving=True)


@pytest.mark.parametrize("fault", ["out_of_memory", "cannot_persist", "too_few_replicas"])
def test_a_redis_that_takes_no_writes_of_anybody(fleet: Fleet, worker: Worker, fault: str) -> None:
    """It keeps nobody from serving the token that lies there, and is no reason to wait."""
    worker.link.refuses = Reason(StoreFault(fault))
    fleet.run(2)
    assert worker.broker.ability() == Ability(written=True, serving=False)
    commit_elsewhere(fleet)
    fleet.run(2)
    assert worker.broker.ability() == ABLE


def test_a_valid_token_is_enough(fleet: Fleet, worker: Worker) -> None:
    """Redis is away, later Canvas as well; when the token is over, nothing is left."""
    worker.tick()
    worker.link.down = True
    fleet.run(300)
    assert worker.broker.ability() == ABLE
    fleet.canvas.errors = [NotSentError("connect")] * 1000
    worker.link.down = False
    fleet.run(310)
    assert worker.broker.ability() == Ability(written=True, serving=False)


def test_one_organization_takes_no_other_with_it(fleet: Fleet, worker: Worker) -> None:
    """Canvas refuses the keys of one."""
    fleet.configure({ACME: credentials("a"), "globex": credentials("b")})
    fleet.canvas.errors = [KeysRejectedError("keys_rejected")]
    worker.tick()
    assert worker.broker.ability() == ABLE


def test_refused_keys(fleet: Fleet, worker: Worker) -> None:
    """Nothing else is there."""
    fleet.canvas.errors = [KeysRejectedError("keys_rejected")]
    worker.tick()
    assert worker.broker.ability() == Ability(written=True, serving=False)
    fleet.configure({ACME: credentials("b")})
    assert worker.broker.ability() == ABLE


def test_without_organizations(fleet: Fleet, worker: Worker) -> None:
    """There is nobody to serve."""
    worker.tick()
    fleet.configure({})
    assert worker.broker.ability() == Ability(written=True, serving=False)
