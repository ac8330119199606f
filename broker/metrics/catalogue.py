"""Every metric there is: what is not here cannot be counted; the documentation is made of it."""

from dataclasses import dataclass
from enum import StrEnum

from broker.store_damage import Part
from broker.store_faults import StoreFault


class Type(StrEnum):
    """The kinds of metrics that Prometheus knows and we use."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. ``labels`` maps each label to the words that it may have, or what bounds it.

    Counters and histograms are summed over all workers that a pod has had since its start; gauges
    are computed at the scrape from what the living workers know.
    """

    name: str
    type: Type
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 4.5)
_UPSTREAM = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 10.0)
_WAIT = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0)

CATALOGUE: tuple[Metric, ...] = (
    Metric(
        "broker_token_requests_total",
        Type.COUNTER,
        "Requests for a token: `outcome` is `served` or the error code, as in the audit, `state` "
        "that of the token served, else empty",
        ("outcome", "state"),
    ),
    Metric(
        "broker_token_request_seconds",
        Type.HISTOGRAM,
        "Time that a request for a token took, without reading and writing it",
        buckets=_FAST,
    ),
    Metric(
        "broker_degraded_answers_total",
        Type.COUNTER,
        "Tokens served although something is wrong, by `reason`: `refresh_failing`, "
        "`credentials_rejected` or `store_unavailable`",
        ("reason",),
    ),
    Metric(
        "broker_token_expires_in_seconds",
        Type.GAUGE,
        "Seconds until the token expires, `token` is `access` or `refresh`; negative once it has",
        ("organization", "token"),
    ),
    Metric(
        "broker_token_refresh_overdue_seconds",
        Type.GAUGE,
        "Seconds since an organization should have had a new token, 0 while none is due; only of "
        "those in use",
        ("organization",),
    ),
    Metric(
        "broker_organization_state",
        Type.GAUGE,
        "Always 1, with the `state` that the organization's token is in",
        ("organization", "state"),
    ),
    Metric(
        "broker_refreshes_total",
        Type.COUNTER,
        "Upstream calls that ended, `kind` is `authenticate` or `refresh`, `outcome` is `success`, "
        "`definite`, `ambiguous` or `rejected`; or `held_back`: the brake let none be made",
        ("organization", "kind", "outcome"),
    ),
    Metric(
        "broker_upstream_seconds",
        Type.HISTOGRAM,
        "Time that an upstream call took, by `kind`",
        ("kind",),
        _UPSTREAM,
    ),
    Metric(
        "broker_upstream_flaws_total",
        Type.COUNTER,
        "Answers of Canvas whose access token is good and something beside it is not; `flaw` is "
        "`no_prefix`, `no_access_expiry`, `bad_access_expiry`, `no_refresh_token`, "
        "`bad_refresh_token`, `no_refresh_expiry`, `bad_refresh_expiry`, `refresh_token_expired` "
        "or `from_cache`",
        ("flaw",),
    ),
    Metric(
        "broker_lease_wait_seconds",
        Type.HISTOGRAM,
        "Time that a request waited for a refresh in flight",
        buckets=_WAIT,
    ),
    Metric("broker_waiters", Type.GAUGE, "Requests that wait for a refresh now"),
    Metric("broker_waiters_limit", Type.GAUGE, "Requests that may wait at once"),
    Metric(
        "broker_waiters_refused_total",
        Type.COUNTER,
        "Requests that found no place to wait, or none in the share of their organization or "
        "caller, and were answered at once",
    ),
    Metric(
        "broker_backoff_seconds",
        Type.GAUGE,
        "Longest time until an organization may be tried again after a failure; 0 without one",
    ),
    Metric(
        "broker_failures",
        Type.GAUGE,
        "Failed attempts in a row, where there are any",
        ("organization",),
    ),
    Metric(
        "broker_credentials_rejected",
        Type.GAUGE,
        "1 while Canvas refuses the organization's keys (the latch)",
        ("organization",),
    ),
    Metric(
        "broker_rejection_reports_total",
        Type.COUNTER,
        "Reports that Canvas answered 401 to a token, by what became of them: `accepted`, `known`, "
        "`moved`, `young`, `throttled` or `failed`",
        ("outcome",),
    ),
    Metric(
        "broker_redis_errors_total",
        Type.COUNTER,
        "Operations that Redis did not do, by `reason` ([redis.md](redis.md#what-redis-answers)): "
        + ", ".join(f"`{fault}`" for fault in StoreFault),
        ("reason",),
    ),
    Metric(
        "broker_store_damage_total",
        Type.COUNTER,
        "What was found in Redis that no broker writes, and was removed or cut, by `part`: "
        + ", ".join(f"`{part}`" for part in Part),
        ("organization", "part"),
    ),
    Metric(
        "broker_redis_up",
        Type.GAUGE,
        "1 while Redis answers every worker and takes its writes, else 0",
    ),
    Metric(
        "broker_feed_up",
        Type.GAUGE,
        "1 while every worker hears what others change in Redis; 0: one looks once a second",
    ),
    Metric(
        "broker_clock_skew_seconds",
        Type.GAUGE,
        "Seconds by which this host's clock is ahead of Canvas's, as last measured",
    ),
    Metric(
        "broker_reloads_total",
        Type.COUNTER,
        "New versions of the files looked at, `what` is `credentials`, `callers`, `certificates`, "
        "`canvas_ca`, `kubernetes_ca`, `kubernetes_token`, `redis_tls`, `redis_login` or "
        "`canvas_proxy`, `outcome` is `success` or `refused`",
        ("what", "outcome"),
    ),
    Metric(
        "broker_reload_success",
        Type.GAUGE,
        "1 while the files of this kind are in force as they lie there, 0 while a version is "
        "refused",
        ("what",),
    ),
    Metric(
        "broker_reload_success_timestamp_seconds",
        Type.GAUGE,
        "Unix time at which a version of the files was last taken over, by the host's clock",
        ("what",),
    ),
    Metric("broker_audit_lost_total", Type.COUNTER, "Audit lines that there was no room for"),
    Metric(
        "broker_log_lost_total",
        Type.COUNTER,
        "Log lines that there was no room for, of the workers and of their master",
    ),
    Metric("broker_organizations", Type.GAUGE, "Organizations that are configured"),
    Metric("broker_organizations_in_use", Type.GAUGE, "Organizations that are in use"),
    Metric("broker_workers", Type.GAUGE, "Workers that answer"),
    Metric("broker_workers_expected", Type.GAUGE, "Workers that there should be"),
    Metric(
        "broker_build_info",
        Type.GAUGE,
        "Always 1, with the `version` of the broker and of Python",
        ("version", "python"),
    ),
)
BY_NAME = {metric.name: metric for metric in CATALOGUE}
