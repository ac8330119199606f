"""What a process can do for callers: the part of readiness that its broker knows."""

import pytest

from broker.errors import KeysRejectedError, NotSentError
from broker.policy.ability import MOST_LOOKED_AT, Ability
from broker.policy.organization import Organization
from broker.store_faults import Reason, StoreFault
from broker.tokens import State
from tests.fakes import credentials
from tests.policy.fleet import ACME, Fleet, Worker, commit_elsewhere

ABLE = Ability(written=True, serving=True)
UNABLE = Ability(written=True, serving=False)
ROUND = 4
"""Answers until all organizations of :func:`many` have been looked at."""


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


@pytest.fixture
def many(fleet: Fleet, worker: Worker) -> Worker:
    """Give a worker that has written to Redis, and has many organizations without tokens."""
    worker.tick()
    names = [f"org-{number:04}" for number in range((ROUND - 1) * MOST_LOOKED_AT + 1)]
    fleet.configure({name: credentials(name) for name in names})
    assert worker.broker.ability() == ABLE
    return worker


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note which organizations are looked at."""
    noted: list[str] = []
    state = Organization.state

    def note(organization: Organization, now: float) -> State:
        noted.append(organization.name)
        return state(organization, now)

    monkeypatch.setattr(Organization, "state", note)
    return noted


def hinder_all_but(worker: Worker, *served: str) -> None:
    """Let Redis refuse the others."""
    for name in worker.broker.organizations:
        organization = worker.broker.find(name)
        assert organization is not None
        organization.read_fault = None if name in served else Reason(StoreFault.PERMISSION)


def test_of_many_the_same_one_is_looked_at_again(many: Worker, looks: list[str]) -> None:
    """As long as it can be served, however late in the order it is."""
    hinder_all_but(many, last := max(many.broker.organizations))
    abilities = [many.broker.ability() for _ in range(ROUND)]
    assert abilities == [ABLE] * ROUND
    looks.clear()
    assert many.broker.ability() == ABLE
    assert looks == [last]


def test_no_answer_looks_at_all_of_many(many: Worker, looks: list[str]) -> None:
    """Not even where none can be served; it changes once all have been looked at."""
    hinder_all_but(many)
    told = []
    for _ in range(2 * ROUND):
        looks.clear()
        told.append(many.broker.ability())
        assert 0 < len(looks) <= MOST_LOOKED_AT + 1
    assert told == [ABLE] * (ROUND - 1) + [UNABLE] * (ROUND + 1)


def test_of_many_one_that_can_be_served_again_is_found(many: Worker) -> None:
    """Within a round."""
    hinder_all_but(many)
    assert [many.broker.ability() for _ in range(ROUND)][-1] == UNABLE
    hinder_all_but(many, max(many.broker.organizations))
    assert [many.broker.ability() for _ in range(ROUND)][-1] == ABLE


def test_a_removed_organization_is_not_served(fleet: Fleet, many: Worker) -> None:
    """It was the one that could be, and its object lives on."""
    hinder_all_but(many, "org-0000")
    assert many.broker.ability() == ABLE
    fleet.configure({"org-0001": credentials("org-0001")})
    assert many.broker.ability() == UNABLE
