"""What memory alone can tell: the same token as by waiting, or nothing; it never waits."""

import pytest

from broker.errors import AmbiguousError
from broker.policy.answers import Served
from broker.tokens import State
from tests.policy.fleet import ACME, NEW_KEYS, Fleet, Worker


@pytest.fixture
def alone(fleet: Fleet, worker: Worker) -> Worker:
    """Give the only worker of its fleet, with a token that the refresher cannot better."""
    fleet.workers[1:] = []
    worker.ask()
    fleet.canvas.errors = [AmbiguousError("timeout")] * 1000
    return worker


def at_hand(worker: Worker, name: str) -> Served | None:
    """Return what memory alone can tell of an organization that there is."""
    organization = worker.broker.find(name)
    assert organization is not None
    return worker.broker.at_hand(organization, worker.clock.monotonic())


def untouched(fleet: Fleet, worker: Worker) -> tuple[float, object, object]:
    """Return what would change if anything was asked or waited for."""
    return fleet.clock.monotonic(), dict(worker.link.counts), list(fleet.canvas.calls)


@pytest.mark.parametrize(
    ("age", "state"),
    [
        (1, State.FRESH),
        (395, State.FRESH),
        (450, State.STALE),
        (500, State.STALE),
        (580, State.CRITICAL),
        (596, State.EMPTY),
        (700, State.EMPTY),
    ],
)
def test_only_what_nobody_need_wait_for(
    fleet: Fleet, alone: Worker, age: float, state: State
) -> None:
    """A fresh or stale token that was looked at a moment ago."""
    fleet.run(age)
    assert alone.health().state is state
    alone.broker._organizations[ACME].looked = alone.clock.monotonic()
    before = untouched(fleet, alone)
    served = at_hand(alone, ACME)
    assert untouched(fleet, alone) == before
    if state in {State.FRESH, State.STALE}:
        assert served == alone.broker.token(ACME)
    else:
        assert served is None


def test_not_what_may_be_old(fleet: Fleet, alone: Worker) -> None:
    """Another process may have had it replaced meanwhile."""
    fleet.clock.sleep(1.1)
    assert at_hand(alone, ACME) is not None
    fleet.clock.sleep(0.3)
    before = untouched(fleet, alone)
    assert at_hand(alone, ACME) is None
    assert untouched(fleet, alone) == before


def test_while_a_flight_is_under_way(fleet: Fleet, alone: Worker) -> None:
    """However long Canvas takes: nobody looks beside it, so there is nothing to wait for."""
    alone.runtime.hold = True
    fleet.clock.sleep(5)
    alone.tick()
    fleet.clock.sleep(5)
    before = untouched(fleet, alone)
    served = at_hand(alone, ACME)
    assert served is not None
    assert served == alone.broker.token(ACME)
    assert untouched(fleet, alone) == before
    alone.runtime.release()


def test_nobody_known(fleet: Fleet, alone: Worker) -> None:
    """An organization without a token, or none at all."""
    fleet.configure({"acme": NEW_KEYS, "globex": NEW_KEYS})
    assert at_hand(alone, "globex") is None
    assert alone.broker.find("initech") is None


def test_who_asks_is_noted(fleet: Fleet, alone: Worker) -> None:
    """The organization is in use, and stays looked at."""
    for _ in range(30):
        fleet.run(1)
        assert at_hand(alone, ACME) is not None
