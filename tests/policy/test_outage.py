"""An outage of Redis concerns all organizations, and is told of all as soon as one finds out."""

import pytest

from tests.fakes import credentials
from tests.policy.fleet import Fleet, Worker

NAMES = ("acme", "globex", "initech")


@pytest.fixture
def fleet() -> Fleet:
    """Make one of a single worker, with tokens of several organizations, all kept warm."""
    fleet = Fleet(1)
    fleet.configure({name: credentials(name[0]) for name in NAMES})
    fleet.run(30)  # nobody has asked for a while: none is looked at before it is stale
    return fleet


def faults(worker: Worker) -> dict[str, str | None]:
    """Return why Redis fails, for each organization."""
    return {one.organization: one.store_fault for one in worker.broker.health()}


def test_it_is_told_of_all_though_one_was_asked_for(fleet: Fleet, worker: Worker) -> None:
    """The others are looked at when their tokens are stale, minutes later."""
    worker.link.down = True
    worker.ask("globex")
    assert faults(worker) == dict.fromkeys(NAMES, "connection")


def test_it_is_over_for_all_with_the_first_answer(fleet: Fleet, worker: Worker) -> None:
    """None of them needs a look of its own."""
    worker.link.down = True
    worker.ask("globex")
    worker.link.down = False
    fleet.run(2)
    assert faults(worker) == dict.fromkeys(NAMES)


def test_it_is_found_where_nobody_asks(fleet: Fleet, worker: Worker) -> None:
    """By the write that is tried each half minute; so is its end."""
    worker.link.down = True
    fleet.run(31)
    assert faults(worker) == dict.fromkeys(NAMES, "connection")
    worker.link.down = False
    fleet.run(31)
    assert faults(worker) == dict.fromkeys(NAMES)


def test_its_end_is_found_after_all_have_gone_idle(fleet: Fleet, worker: Worker) -> None:
    """What is known of an outage is tried again, however long nobody asks."""
    worker.link.down = True
    fleet.run(31)
    fleet.clock.sleep(8 * 86_400)
    fleet.run(1)
    assert faults(worker) == dict.fromkeys(NAMES, "connection")
    worker.link.down = False
    fleet.run(31)
    assert faults(worker) == dict.fromkeys(NAMES)


def test_without_tokens_nobody_can_be_served(fleet: Fleet, worker: Worker) -> None:
    """Also where only one of those without has been asked for."""
    fleet.clock.sleep(86_400)
    worker.link.down = True
    worker.refused("globex")
    assert not worker.broker.ability().serving
