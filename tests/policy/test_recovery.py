"""After a fault: how soon a fresh token is there again, and what it cost the callers."""

from itertools import pairwise

import pytest

from broker.errors import AmbiguousError, NotSentError, ThrottledError, UpstreamError
from broker.tokens import State
from tests.policy.fleet import Fleet, Worker

TIMEOUT = AmbiguousError("timeout")
FAULTS = [TIMEOUT, NotSentError("connect"), ThrottledError("throttled", retry_after=None)]


def break_canvas(fleet: Fleet, error: UpstreamError) -> None:
    """Let every call fail with ``error`` until :func:`heal`."""
    fleet.canvas.errors = [error] * 10_000
    for worker in fleet.workers:
        worker.runtime.chance = 1.0


def cut_off(fleet: Fleet) -> None:
    """Take Redis away from every worker."""
    for worker in fleet.workers:
        worker.link.down = True


def heal(fleet: Fleet) -> float:
    """Let everything work again; return the instant."""
    fleet.canvas.errors.clear()
    for worker in fleet.workers:
        worker.link.down = False
    return fleet.clock.monotonic()


def seconds_until_fresh(fleet: Fleet, worker: Worker, since: float) -> float:
    """Let the refreshers work until ``worker`` has a fresh token; return the seconds it took."""
    while worker.health().state is not State.FRESH:
        fleet.run(0.2)
        assert fleet.clock.monotonic() - since < 200
    return fleet.clock.monotonic() - since


@pytest.mark.parametrize("error", FAULTS)
@pytest.mark.parametrize("outage", [1.0, 7.0, 31.0, 100.0])
def test_canvas_back_while_a_token_is_valid(
    fleet: Fleet, worker: Worker, error: UpstreamError, outage: float
) -> None:
    """Within 75 s of a healthy Canvas the token is fresh again."""
    fleet.run(399, asking=True)
    break_canvas(fleet, error)
    fleet.run(outage, asking=True)
    assert seconds_until_fresh(fleet, worker, heal(fleet)) <= 75


@pytest.mark.parametrize("error", FAULTS)
@pytest.mark.parametrize("outage", [1.0, 7.0, 300.0])
def test_canvas_back_with_no_token(
    fleet: Fleet, worker: Worker, error: UpstreamError, outage: float
) -> None:
    """Within 50 s where none was valid."""
    break_canvas(fleet, error)
    fleet.run(outage)
    assert seconds_until_fresh(fleet, worker, heal(fleet)) <= 50


@pytest.mark.parametrize("point", ["acquire", "commit", "fail"])
def test_redis_lost_in_the_middle_of_an_attempt(fleet: Fleet, worker: Worker, point: str) -> None:
    """A Redis that goes away at any step leaves nothing that takes longer than 50 s to mend."""
    fleet.canvas.errors = [TIMEOUT] if point == "fail" else []
    for each in fleet.workers:
        each.link.before[point] = lambda: cut_off(fleet)
    fleet.run(20)
    assert seconds_until_fresh(fleet, worker, heal(fleet)) <= 50


@pytest.mark.parametrize("outage", [10.0, 80.0, 159.0])
def test_short_outage_costs_no_caller_anything(fleet: Fleet, outage: float) -> None:
    """An outage of Canvas shorter than the margin minus 40 s passes unnoticed."""
    fleet.run(400, asking=True)
    break_canvas(fleet, TIMEOUT)
    fleet.run(outage, asking=True)
    heal(fleet)
    fleet.run(75, asking=True)
    assert all(worker.ask().state is State.FRESH for worker in fleet.workers)


def test_long_outage_makes_no_tight_loop(fleet: Fleet) -> None:
    """In a day's outage, Canvas is called no more often than every few seconds, by all together."""
    fleet.run(5, asking=True)
    break_canvas(fleet, TIMEOUT)
    times: list[float] = []
    fleet.canvas.before_answer = lambda: times.append(fleet.clock.monotonic())
    fleet.run(3600)
    assert len(times) <= 3600 / 4
    assert min(later - earlier for earlier, later in pairwise(times)) >= 1
