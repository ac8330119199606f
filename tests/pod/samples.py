"""Workers and what they know, for tests to change where it matters."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from broker.pod.merge import merge
from broker.pod.snapshot import (
    FilesReport,
    OrganizationHistory,
    Pod,
    WorkerHistories,
    WorkerSnapshot,
)
from broker.policy.health import OrganizationHealth
from broker.policy.history import Event
from broker.tokens import State

NOW = 1_800_000_000.0
VERSION, NEXT_VERSION = "0123456789abcdef", "fedcba9876543210"
GOOD = OrganizationHealth(
    organization="acme",
    state=State.FRESH,
    generation=100,
    expires_in=512.9,
    refresh_expires_in=86000.2,
    last_refresh=87.1,
    last_error=None,
    failures=0,
    latched=False,
    next_attempt_in=None,
    store_fault=None,
    landed=True,
    credential_version=VERSION,
    record_version=VERSION,
    skew=0.04,
    lifetime=600.0,
    margin=200.7,
    refresh_lifetime=86400.0,
    in_use=True,
    overdue=0.0,
    skew_age=86.8,
)
HISTORY = (Event(86.8, "authenticate", 0.31, "success"),)
FAILING = GOOD._replace(failures=3, last_error="timeout", next_attempt_in=4.6)
LATCHED = GOOD._replace(failures=1, last_error="keys_rejected", latched=True, next_attempt_in=800.0)
NO_REDIS = GOOD._replace(store_fault="timeout")
SKEWED = GOOD._replace(skew=-30.6)
DAMAGED = GOOD._replace(damaged=12.3)
UNLANDED = GOOD._replace(landed=False)
REFUSING: dict[str, Any] = {"refusing": True, "overdue": 3.2}
"""What a worker without a token tells, for :func:`empty`."""
OVERDUE = GOOD._replace(state=State.STALE, overdue=75.4)

FLAWED = GOOD._replace(flaws=("no_prefix", "no_refresh_token"))
CACHED = GOOD._replace(flaws=("from_cache",))


def empty(health: OrganizationHealth = GOOD, **changes: Any) -> OrganizationHealth:
    """Return the organization without a token."""
    without = {"state": State.EMPTY, "generation": None, "expires_in": None, "last_refresh": None}
    return health._replace(**{**without, "record_version": None, **changes})


IDLE = empty(organization="globex")


def files(what: str = "callers", *problems: str, taken_at: float = NOW - 60) -> FilesReport:
    """Return the state of one kind of files."""
    return FilesReport(what, problems, taken_at)


def worker(pid: int = 7, *organizations: OrganizationHealth, **changes: Any) -> WorkerSnapshot:
    """Return a worker that knows these organizations, else a good one."""
    known = WorkerSnapshot(pid, 33.3, organizations or (GOOD,), (files(),), 0, 16)
    return replace(known, **changes)


def history_of(pid: int, names: Iterable[str], at: float = 86.8) -> WorkerHistories:
    """Return a worker's histories: each organization got a token so many seconds ago."""
    event = Event(at, "authenticate", 0.31, "success")
    known = tuple(OrganizationHistory(name, (event,)) for name in names)
    return WorkerHistories(pid, known)


def pod_of(*organizations: OrganizationHealth, reports: tuple[FilesReport, ...] = ()) -> Pod:
    """Return a pod of one worker."""
    return merge([WorkerSnapshot(7, 33.3, organizations, reports, 0, 16)], [], 1)
