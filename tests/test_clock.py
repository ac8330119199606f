"""The host's clocks."""

import time

import pytest

from broker.clock import SystemClock


def test_monotonic_counts_the_time_suspended() -> None:
    """Where the system has a clock that goes on while it is suspended, that one counts."""
    name = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    assert SystemClock().monotonic() == pytest.approx(time.clock_gettime(name), abs=1)


def test_monotonic_never_goes_back() -> None:
    """A later reading is not smaller."""
    clock = SystemClock()
    readings = [clock.monotonic() for _ in range(1000)]
    assert readings == sorted(readings)


def test_wall_is_unix_time() -> None:
    """It is what the host takes for the time, for reports."""
    assert SystemClock().wall() == pytest.approx(time.time(), abs=1)


def test_sleep_lets_time_pass() -> None:
    """Ten milliseconds are not less."""
    clock = SystemClock()
    before = clock.monotonic()
    clock.sleep(0.01)
    assert clock.monotonic() - before >= 0.01
