from collections.abc import Iterator

import pytest

from tests.policy.fleet import Fleet, Worker


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    """Two workers for one organization; fails the test that breaks an invariant on its way."""
    fleet = Fleet(2)
    yield fleet
    fleet.check()
    assert fleet.most_in_flight <= 1


@pytest.fixture
def worker(fleet: Fleet) -> Worker:
    """Give the first worker of the fleet."""
    return fleet.workers[0]


@pytest.fixture
def other(fleet: Fleet) -> Worker:
    """Give the second worker of the fleet."""
    return fleet.workers[1]
