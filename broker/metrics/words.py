"""The words that labels may have: known beforehand, so that each series is there from the start."""

from collections.abc import Mapping
from itertools import product

from broker.errors import FailureClass
from broker.policy.answers import Hindrance
from broker.policy.brake import HELD_BACK
from broker.policy.history import SUCCESS
from broker.ports import ReportStatus
from broker.store_damage import Part
from broker.store_faults import StoreFault
from broker.tokens import Flaw, Kind, State

OTHER = "other"
"""Stands for a word that nobody declared: a defect, that must not cost a caller the answer."""
SERVED = "served"
ORGANIZATION = "organization"
"""The one label without words of its own: bounded by the organizations that are configured."""
REFUSALS = (
    "credentials_rejected",
    "insufficient_scope",
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "invalid_token",
    "store_unavailable",
    "temporarily_unavailable",
    "unsupported_grant_type",
)
FILES = (
    "credentials",
    "callers",
    "certificates",
    "canvas_ca",
    "kubernetes_ca",
    "kubernetes_token",
    "redis_tls",
    "redis_login",
    "canvas_proxy",
)
"""What ``Inputs`` of the settings watches, by its names there."""
_SERVED_STATES = (State.FRESH, State.STALE, State.CRITICAL)

SERIES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "broker_token_requests_total": (
        *((SERVED, state) for state in _SERVED_STATES),
        *((refusal, "") for refusal in REFUSALS),
    ),
    "broker_degraded_answers_total": tuple((reason,) for reason in Hindrance),
    "broker_refreshes_total": tuple(product(Kind, (SUCCESS, HELD_BACK, *FailureClass))),
    "broker_upstream_seconds": tuple((kind,) for kind in Kind),
    "broker_upstream_flaws_total": tuple((flaw,) for flaw in Flaw),
    "broker_rejection_reports_total": tuple((status,) for status in ReportStatus),
    "broker_store_damage_total": tuple((part,) for part in Part),
    "broker_redis_errors_total": tuple((fault,) for fault in StoreFault),
    "broker_reloads_total": tuple(product(FILES, ("success", "refused"))),
}
"""Each counter and histogram with labels, by the values of them (but the organization) it has."""
