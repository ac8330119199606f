"""Every kind of violation is told; what a fault makes unavoidable is not."""

from dataclasses import replace

import pytest

from tests.chaos.callers import CALLERS, Observation
from tests.chaos.judge import RECOVERY_LIMIT, REQUEST_LIMIT, Harm, Row

GOOD = Row("a fault", requests=100, ok=100, seconds=10, slowest=0.1, calls=2)
LATE = Observation(200, REQUEST_LIMIT + 1)


def test_a_good_row_has_no_violation() -> None:
    """Callers got their tokens, quickly."""
    assert GOOD.violations() == []


@pytest.mark.parametrize(
    ("row", "word"),
    [
        (replace(GOOD, expired=1), "expired"),
        (replace(GOOD, presented_twice=1), "presented twice"),
        (replace(GOOD, refused=1), "503"),
        (replace(GOOD, other=1), "neither 200 nor 503"),
        (replace(GOOD, cut_off=1), "no answer"),
        (replace(GOOD, cut_off=1, harm=Harm.STOP), "no answer"),
        (replace(GOOD, stopped=CALLERS + 1, harm=Harm.STOP), "stopped process"),
        (replace(GOOD, slowest=REQUEST_LIMIT + 0.1), "took 4.6 s"),
        (replace(GOOD, calls=25), "25 upstream calls"),
        (replace(GOOD, crashes=1), "unforeseen"),
        (replace(GOOD, recovery=None), "no fresh token"),
        (replace(GOOD, recovery=RECOVERY_LIMIT + 1), "no fresh token"),
        (replace(GOOD, ok=0), "nobody"),
        (replace(GOOD, complaints=["the exit code is 1"]), "exit code"),
    ],
)
def test_each_violation_is_told_alone(row: Row, word: str) -> None:
    """In one sentence that names the fault."""
    (sentence,) = row.violations()
    assert sentence.startswith("a fault: ")
    assert word in sentence


def test_cut_off_connections_of_a_dead_process_are_none() -> None:
    """Nobody can answer for the dead."""
    assert replace(GOOD, cut_off=50, harm=Harm.DEATH).violations() == []


def test_answers_are_counted_by_kind() -> None:
    """Each in one column; what was wrong with it besides."""
    row = Row("a fault")
    row.count([Observation(status, 0.1) for status in (200, 200, 503, 500, 0)])
    row.count([Observation(200, 0.2, expired=True), Observation(503, 0.3, refused=True)])
    assert (row.requests, row.ok, row.unavailable, row.other, row.cut_off) == (7, 3, 2, 1, 1)
    assert (row.expired, row.refused, row.slowest) == (1, 1, 0.3)


def test_late_answers_of_a_stopped_process_are_counted_apart() -> None:
    """They are late by the signal; an expired token would still be one."""
    stopped, other = Row("stopped", Harm.STOP), Row("other")
    for row in (stopped, other):
        row.count([LATE, replace(LATE, expired=True)])
    assert (stopped.stopped, stopped.slowest, stopped.expired) == (2, 0.0, 1)
    assert (other.stopped, other.slowest, other.expired) == (0, LATE.seconds, 1)


def test_rounds_add_up_and_the_worst_time_counts() -> None:
    """Also the one that never recovered."""
    row = Row("a fault")
    row.add(replace(GOOD, recovery=3.0))
    row.add(replace(GOOD, recovery=2.0, slowest=0.5, expired=1))
    assert (row.requests, row.calls, row.expired) == (200, 4, 1)
    assert (row.recovery, row.slowest) == (3.0, 0.5)
    row.add(replace(GOOD, recovery=None))
    assert row.recovery is None
