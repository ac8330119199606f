"""The numbers of the protocol fit each other, and each contradiction is told by its setting."""

from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from broker.limits import Limits

GOOD = Limits()


def test_the_defaults_contradict_nothing() -> None:
    """A fresh installation starts."""
    assert list(GOOD.problems()) == []


def test_the_defaults_are_those_of_the_protocol() -> None:
    """As refresh-protocol.md gives them."""
    assert (GOOD.upstream_connect_timeout, GOOD.upstream_timeout) == (2, 5)
    assert (GOOD.upstream_attempts, GOOD.deadline, GOOD.lease, GOOD.lease_reserve) == (2, 10, 25, 8)
    assert (GOOD.wait, GOOD.floor, GOOD.dead) == (3, 30, 5)
    assert (GOOD.margin_min, GOOD.margin_max, GOOD.short_life) == (45, 300, 45)
    assert (GOOD.redis_connect_timeout, GOOD.redis_timeout, GOOD.redis_worst) == (0.25, 0.5, 1.5)
    assert (GOOD.backoff_valid, GOOD.backoff_empty, GOOD.retry_after_max) == (30, 5, 300)
    assert (GOOD.latch, GOOD.report_min_age, GOOD.report_interval) == (900, 10, 60)
    assert (GOOD.revalidate, GOOD.request, GOOD.upstream_body_limit) == (1, 4.5, 65536)


@pytest.mark.parametrize(
    ("changes", "setting", "told"),
    [
        ({"lease": 24.9}, "BROKER_LEASE", ["24.9", "25", "BROKER_UPSTREAM_ATTEMPTS"]),
        ({"upstream_attempts": 3}, "BROKER_LEASE", ["25", "35", "= 15"]),
        ({"upstream_connect_timeout": 5.0}, "BROKER_UPSTREAM_CONNECT_TIMEOUT", ["5", "below"]),
        ({"lease_reserve": 5.0}, "BROKER_LEASE_RESERVE", ["BROKER_UPSTREAM_TIMEOUT (5)", "20"]),
        ({"lease_reserve": 20.0}, "BROKER_LEASE_RESERVE", ["is 20 ", "(20)"]),
        ({"wait": 3.1}, "BROKER_WAIT", ["3.1", "at most 3:", "4.5", "1.5", "BROKER_REDIS_TIMEOUT"]),
        ({"redis_timeout": 0.6}, "BROKER_WAIT", ["at most 2.8", "1.7"]),
        ({"redis_connect_timeout": 0.3}, "BROKER_WAIT", ["at most 2.9", "1.6"]),
        ({"margin_min": 30.0}, "BROKER_MARGIN_MIN", ["above BROKER_FLOOR (30)"]),
        ({"margin_min": 301.0}, "BROKER_MARGIN_MIN", ["301", "BROKER_MARGIN_MAX (300)"]),
        ({"margin_max": 44.0}, "BROKER_MARGIN_MIN", ["BROKER_MARGIN_MAX (44)"]),
        ({"floor": 5.0}, "BROKER_FLOOR", ["is 5 ", "above 5"]),
        ({"floor": 45.0}, "BROKER_MARGIN_MIN", ["above BROKER_FLOOR (45)"]),
    ],
)
def test_each_contradiction_is_told_once_with_setting_value_and_bound(
    changes: dict[str, Any], setting: str, told: list[str]
) -> None:
    """And nothing else is told."""
    (problem,) = replace(GOOD, **changes).problems()
    assert problem.startswith(f"{setting} is ")
    for part in told:
        assert part in problem


@pytest.mark.parametrize(
    "changes",
    [
        {"lease": 25.0},
        {"upstream_attempts": 1, "lease": 15.0},
        {"upstream_connect_timeout": 4.9},
        {"lease_reserve": 5.1},
        {"lease_reserve": 19.9},
        {"wait": 3.0},
        {"margin_min": 30.1},
        {"margin_min": 300.0},
        {"margin_max": 45.0},
        {"floor": 5.1},
        {"floor": 44.9},
    ],
)
def test_a_value_at_its_border_is_taken(changes: dict[str, Any]) -> None:
    """The bounds are not narrower than they say."""
    assert list(replace(GOOD, **changes).problems()) == []


def test_all_contradictions_are_told_together() -> None:
    """One start shows them all."""
    bad = replace(
        GOOD, lease=1, upstream_connect_timeout=9, wait=9, floor=4, margin_min=3, lease_reserve=0
    )
    assert [problem.split()[0] for problem in bad.problems()] == [
        "BROKER_LEASE",
        "BROKER_UPSTREAM_CONNECT_TIMEOUT",
        "BROKER_LEASE_RESERVE",
        "BROKER_WAIT",
        "BROKER_MARGIN_MIN",
        "BROKER_FLOOR",
    ]


def test_limits_do_not_change() -> None:
    """They were checked as a whole."""
    with pytest.raises(FrozenInstanceError):
        GOOD.lease = 1  # type: ignore[misc] # that is the test


@pytest.mark.parametrize(
    ("latch", "steps"), [(900.0, [30, 120, 300, 900, 900]), (60.0, [30, 60, 60]), (10.0, [10, 10])]
)
def test_no_step_of_the_latch_is_longer_than_its_setting(latch: float, steps: list[float]) -> None:
    """A short BROKER_LATCH cuts the first steps, too."""
    limits = replace(GOOD, latch=latch)
    assert [limits.latch_after(number + 1) for number in range(len(steps))] == steps
