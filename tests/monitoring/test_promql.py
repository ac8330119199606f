"""The reader of PromQL finds what is wrong, or the tests that use it would prove nothing."""

import pytest

from tests.monitoring.promql import outer_labels, problems


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("min by (job) (broker_redis_up{}) == 0", []),
        ("broker_waiters{} > 2 unless broker_waiters{} offset 15m", []),
        ('rate(broker_upstream_seconds_bucket{kind="refresh",le="1.0"}[5m])', []),
        ("broker_redis_up == 0", ["broker_redis_up has no braces"]),
        ("up{} == 0", ["up is no metric"]),
        ("rate(broker_redis_errors{}[5m])", ["broker_redis_errors is no metric"]),
        ("broker_upstream_seconds{}", ["broker_upstream_seconds is no metric"]),
        ("broker_redis_up_count{}", ["broker_redis_up_count is no metric"]),
        ('broker_redis_up{organization=~"$organization"}', ["broker_redis_up has no organization"]),
        ('broker_refreshes_total{outcome="sucess"}', ["broker_refreshes_total is never sucess"]),
        ('broker_waiters{le="1.0"}', ["broker_waiters has no le"]),
        ("max by (organization) (broker_waiters{})", ["nothing has organization"]),
        ("broker_waiters{} and ignoring (token) broker_waiters{}", ["nothing has token"]),
    ],
)
def test_problems(expression: str, expected: list[str]) -> None:
    """Metrics and labels that are not in the catalogue are told, and nothing else."""
    assert problems(expression) == expected


def test_labels_of_the_result() -> None:
    """The outermost grouping decides."""
    assert outer_labels("max by (job) (sum by (job, pod) (x{}))") == {"job"}
    assert outer_labels("x{}") == set()
