import pytest

from bench.wrk import outcome

PRINTED = """Running 2s test @ http://127.0.0.1:1
  2 threads and 32 connections

RESULT {"duration": 2000000, "requests": 9000, "p50": 1500, "p99": 20000, \
"slowest": 50000, "errors": {"connect": 0, "read": 0, "write": 0, "timeout": 0, "status": %d}}
"""


def test_result_is_read_from_the_line_of_the_script() -> None:
    """Microseconds become seconds."""
    got = outcome(PRINTED % 0)
    assert (got.completed, got.failures) == (9000, {})
    assert got.rate == pytest.approx(4500)
    assert (got.p50, got.p99, got.slowest) == pytest.approx((0.0015, 0.02, 0.05))


def test_statuses_of_failure_are_failures() -> None:
    """Only what happened is named."""
    assert outcome(PRINTED % 3).failures == {"status": 3}


def test_missing_result_is_told() -> None:
    """As when wrk could not connect."""
    with pytest.raises(ValueError, match="no result"):
        outcome("unable to connect")
