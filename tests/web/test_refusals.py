"""Refused callers are told of, and cannot fill the log."""

import logging
from typing import Any

import pytest

from broker.web.refusals import INTERVAL, MOST_LINES, REMEMBERED, RefusalLog
from tests.fakes import FakeClock
from tests.web.rig import KEY, Rig


@pytest.fixture
def clock() -> FakeClock:
    """Time that the test holds."""
    return FakeClock()


@pytest.fixture
def refusals(clock: FakeClock, caplog: pytest.LogCaptureFixture) -> RefusalLog:
    """Its log is heard."""
    caplog.set_level(logging.DEBUG, "broker.web.refusals")
    return RefusalLog(clock)


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int]]:
    """Return address and count of each line."""
    lines: list[Any] = [one for one in caplog.records if one.message == "caller.refused"]
    assert all(line.levelno == logging.WARNING for line in lines)
    return [(line.remote, line.count) for line in lines]


def test_the_first_is_told_at_once(refusals: RefusalLog, caplog: pytest.LogCaptureFixture) -> None:
    """Each address by itself."""
    refusals.note("10.0.0.1")
    refusals.note("10.0.0.2")
    assert told(caplog) == [("10.0.0.1", 1), ("10.0.0.2", 1)]


def test_more_are_counted_and_told_a_minute_later(
    refusals: RefusalLog, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A thousand refusals are two lines."""
    for _ in range(1000):
        refusals.note("10.0.0.1")
    clock.sleep(INTERVAL)
    refusals.note("10.0.0.1")
    assert told(caplog) == [("10.0.0.1", 1), ("10.0.0.1", 1000)]


def test_many_addresses_do_not_fill_the_log_either(
    refusals: RefusalLog, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    """So many lines in a minute, and memory for so many addresses."""
    for number in range(REMEMBERED * 3):
        refusals.note(f"address-{number}")
    assert len(told(caplog)) == MOST_LINES
    assert len(refusals._addresses) == REMEMBERED
    clock.sleep(INTERVAL)
    refusals.note("late")
    assert told(caplog)[-1] == ("late", 1)


def test_each_way_to_ask_is_heard(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """GET and POST alike; who has a key is never told of."""
    caplog.set_level(logging.DEBUG, "broker.web.refusals")
    rig.get(key=KEY)
    rig.get("/token?x=1", key=KEY)
    assert told(caplog) == []
    rig.get(key="wrong")
    rig.post(basic=("billing", "wrong"))
    rig.clock.sleep(INTERVAL + 1)
    rig.get(key=None)
    assert told(caplog) == [("127.0.0.1", 1), ("127.0.0.1", 2)]
