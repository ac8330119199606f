"""A hung Redis costs one caller its limit, and the rest nothing."""

import pytest

from broker.errors import StoreUnavailableError
from broker.store.breaker import AnsweredError, Breaker
from tests.fakes import FakeClock


class Redis:
    """Counts operations; fails while it is down."""

    def __init__(self) -> None:
        self.down = True
        self.operations = 0

    def operation(self) -> str:
        """Answer or fail."""
        self.operations += 1
        if self.down:
            raise StoreUnavailableError("down")
        return "answer"


def failing(breaker: Breaker, redis: Redis) -> None:
    """Call once and expect it to fail."""
    with pytest.raises(StoreUnavailableError):
        breaker.call(redis.operation)


def test_opens_after_a_failure() -> None:
    """After one failure the next calls fail without an operation."""
    breaker, redis = Breaker(FakeClock(), 1.0), Redis()
    for _ in range(5):
        failing(breaker, redis)
    assert redis.operations == 1
    assert breaker.open


def test_an_answer_does_not_open_it() -> None:
    """Even a bad one: it was there at once, and the next may be a good one. It closes it, too."""
    clock, redis = FakeClock(), Redis()
    breaker = Breaker(clock, 1.0)

    def answer() -> None:
        raise AnsweredError("bad")

    with pytest.raises(AnsweredError):
        breaker.call(answer)
    assert not breaker.open
    failing(breaker, redis)
    clock.sleep(1.0)
    with pytest.raises(AnsweredError):
        breaker.call(answer)
    assert not breaker.open


def test_each_node_counts_for_itself() -> None:
    """One of a cluster that fails keeps nobody from the others, and costs only one its limit."""
    breaker, sick, well = Breaker(FakeClock(), 1.0), Redis(), Redis()
    well.down = False
    for _ in range(3):
        with pytest.raises(StoreUnavailableError):
            breaker.call(sick.operation, "sick:6379")
        assert breaker.call(well.operation, "well:6379") == "answer"
    assert (sick.operations, well.operations) == (1, 3)
    assert breaker.reason("sick:6379") is not None
    assert breaker.reason("well:6379") is None


def test_one_probe_a_second() -> None:
    """While it is open, one call each second goes through, and only one."""
    clock, redis = FakeClock(), Redis()
    breaker = Breaker(clock, 1.0)
    failing(breaker, redis)
    for _ in range(3):
        clock.sleep(1.0)
        failing(breaker, redis)
        failing(breaker, redis)
    assert redis.operations == 4


def test_closes_after_a_good_probe() -> None:
    """A probe that works lets everyone through again."""
    clock, redis = FakeClock(), Redis()
    breaker = Breaker(clock, 1.0)
    failing(breaker, redis)
    redis.down = False
    failing(breaker, redis)
    clock.sleep(1.0)
    assert [breaker.call(redis.operation) for _ in range(3)] == ["answer"] * 3
    assert not breaker.open


def test_other_errors_are_not_its_business() -> None:
    """A defect of ours does not count as an outage of Redis."""
    breaker = Breaker(FakeClock(), 1.0)
    with pytest.raises(ZeroDivisionError):
        breaker.call(lambda: 1 // 0)
    assert not breaker.open
