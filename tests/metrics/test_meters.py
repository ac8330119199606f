"""Counting: what is declared, from 0 on, by the words that are known."""

import pytest
from prometheus_client import CollectorRegistry

from broker.errors import FailureClass
from broker.metrics.catalogue import CATALOGUE, Metric, Type
from broker.metrics.meters import Meters
from broker.metrics.series import UndeclaredMetricError, counters, histograms
from broker.metrics.words import ORGANIZATION
from broker.policy.answers import Hindrance
from broker.ports import ReportStatus
from broker.tokens import Kind, State
from tests.metrics.pods import Readings, named, seen

ACME = named("acme")


def of(meters: Meters, sample: str) -> Readings:
    """Return the samples of one name that are not 0."""
    return {labels: value for labels, value in seen(meters, ACME, sample).items() if value}


def test_a_served_token_is_counted_by_its_state_and_timed() -> None:
    """In the bucket of its time and all above it."""
    meters = Meters()
    meters.requests("served", State.STALE, 0.002)
    assert of(meters, "broker_token_requests_total") == {("served", "stale"): 1}
    buckets = seen(meters, ACME, "broker_token_request_seconds_bucket")
    assert [buckets[(le,)] for le in ("0.001", "0.0025", "4.5", "+Inf")] == [0, 1, 1, 1]
    assert of(meters, "broker_token_request_seconds_sum") == {(): 0.002}


def test_tokens_served_together_are_counted_as_one_by_one() -> None:
    """At the ends of buckets, beyond the last, and of several states."""
    noted = [(State.FRESH, 0.0), (State.FRESH, 0.001), (State.STALE, 0.0011), (State.FRESH, 1e9)]
    together, alone = Meters(), Meters()
    together.served(*zip(*noted, strict=True))
    for state, seconds in noted:
        alone.requests("served", state, seconds)
    for sample in ("requests_total", *(f"request_seconds_{one}" for one in ("bucket", "sum"))):
        name = f"broker_token_{sample}"
        assert of(together, name) == of(alone, name) != {}
    assert seen(together, ACME, "broker_token_request_seconds_bucket")[("0.001",)] == 2


def test_a_refused_request_has_no_state() -> None:
    """Its code is its outcome."""
    meters = Meters()
    meters.requests("invalid_token", None, 0.1)
    assert of(meters, "broker_token_requests_total") == {("invalid_token", ""): 1}


def test_an_upstream_call_is_counted_by_organization_and_timed_by_kind() -> None:
    """Whatever its outcome."""
    meters = Meters()
    meters.refresh("acme", Kind.REFRESH, FailureClass.AMBIGUOUS, 5.0)
    meters.refresh("acme", Kind.AUTHENTICATE, "success", 0.2)
    assert of(meters, "broker_refreshes_total") == {
        ("refresh", "acme", "ambiguous"): 1,
        ("authenticate", "acme", "success"): 1,
    }
    sums = {("refresh",): 5.0, ("authenticate",): 0.2}
    assert of(meters, "broker_upstream_seconds_sum") == sums


def test_each_other_event_has_its_counter() -> None:
    """A degraded answer, a wait, none, a report, Redis silent or damaged, a reload, lost lines."""
    meters = Meters()
    meters.degraded(Hindrance.STORE_UNAVAILABLE)
    meters.waited(1.5)
    meters.turned_away()
    meters.report(ReportStatus.YOUNG)
    meters.redis_failed("timeout")
    meters.store_damaged("acme", "lease")
    meters.reloaded("callers", "refused")
    meters.audit_lost()
    meters.log_lost()
    meters.log_lost()
    assert of(meters, "broker_degraded_answers_total") == {("store_unavailable",): 1}
    assert of(meters, "broker_lease_wait_seconds_sum") == {(): 1.5}
    assert of(meters, "broker_waiters_refused_total") == {(): 1}
    assert of(meters, "broker_rejection_reports_total") == {("young",): 1}
    assert of(meters, "broker_redis_errors_total") == {("timeout",): 1}
    assert of(meters, "broker_store_damage_total") == {("acme", "lease"): 1}
    assert of(meters, "broker_reloads_total") == {("refused", "callers"): 1}
    assert of(meters, "broker_audit_lost_total") == {(): 1}
    assert of(meters, "broker_log_lost_total") == {(): 2}


@pytest.mark.parametrize("metric", [m for m in CATALOGUE if m.type is Type.COUNTER])
def test_what_has_not_happened_is_there_as_nothing(metric: Metric) -> None:
    """So that the first event is an increase; of an organization its series begins with it."""
    readings = seen(Meters(), ACME, metric.name)
    assert set(readings.values()) == (set() if ORGANIZATION in metric.labels else {0.0})


@pytest.mark.parametrize(
    ("outcome", "state"), [("teapot", None), ("served", "empty"), ("", None), ("SERVED", "fresh")]
)
def test_an_undeclared_word_is_an_error(outcome: str, state: str | None) -> None:
    """In tests, so that nobody forgets to declare it."""
    with pytest.raises(UndeclaredMetricError, match="broker_token_requests_total"):
        Meters().requests(outcome, state, 0.1)


def test_an_undeclared_word_costs_no_caller_the_answer() -> None:
    """In production it is counted as another one: the label stays bounded, whatever is sent."""
    meters = Meters(strict=False)
    for number in range(100):
        meters.requests(f"made-up-{number}", "fresh", 0.1)
        meters.refresh("acme", f"kind-{number}", "success", 0.1)
    assert of(meters, "broker_token_requests_total") == {("other", "fresh"): 100}
    assert of(meters, "broker_refreshes_total") == {("other", "acme", "success"): 100}
    assert of(meters, "broker_upstream_seconds_count") == {("other",): 100}


@pytest.mark.parametrize("name", ["broker_made_up_total", "broker_waiters", "broker_lease_wait"])
def test_an_undeclared_metric_is_an_error(name: str) -> None:
    """As is one that is declared as something else."""
    with pytest.raises(UndeclaredMetricError, match=name):
        counters(name, CollectorRegistry(), strict=False)
    with pytest.raises(UndeclaredMetricError, match=name):
        histograms(name, CollectorRegistry(), strict=False)


def test_an_error_does_not_repeat_the_word() -> None:
    """Nobody knows what it is: it might be a secret."""
    with pytest.raises(UndeclaredMetricError) as caught:
        Meters().report("canary")
    assert "canary" not in str(caught.value)


def test_two_meters_count_apart() -> None:
    """In memory, that is: tests do not see each other's numbers."""
    one, other = Meters(), Meters()
    one.redis_failed("timeout")
    assert of(other, "broker_redis_errors_total") == {}
