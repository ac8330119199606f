"""``/health``, ``/health/live`` and ``/health/ready``: what operators and probes ask.

The body of ``/health`` is ``application/health+json`` (draft-inadarei-api-health-check-06).
"""

import time
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, jsonify

from broker import __version__
from broker.pod.checks import (
    judge_canvas,
    judge_files,
    judge_redis,
    judge_workers,
    last_success,
    store_reason,
)
from broker.pod.judgement import LARGEST_SKEW, Status, Verdict, judge
from broker.pod.snapshot import FilesReport, Pod
from broker.policy.health import OrganizationHealth
from broker.policy.history import Event
from broker.web.health_schemas import HEALTH_ANSWER

__all__ = ["LARGEST_SKEW", "Report", "health_views", "summary"]

MEDIA_TYPE = "application/health+json"

Report = Callable[[], Pod]
"""The workers of the pod as they are now."""


def health_views(
    gather: Report, is_ready: Callable[[], bool], wall: Callable[[], float] = time.time
) -> Blueprint:
    """Return the views under ``/health``.

    ``gather`` asks all workers of the pod; ``is_ready`` tells whether the pod is and asks nobody: a
    probe must not wait for siblings. ``wall`` returns Unix seconds by the host's clock.
    """
    views = Blueprint("health", __name__, url_prefix="/health")

    @views.get("")
    def health() -> Response:
        return _answer(HEALTH_ANSWER.dump(summary(gather(), wall())))

    @views.get("/live")
    def live() -> Response:
        return _answer({"status": Status.PASS})

    @views.get("/ready")
    def ready() -> Response:
        return _answer({"status": Status.PASS if is_ready() else Status.FAIL})

    return views


def summary(pod: Pod, now: float) -> dict[str, Any]:
    """Return the body of ``/health`` at the Unix second ``now``, by the host's clock."""
    checks: dict[str, list[dict[str, Any]]] = {
        "organization:token": [organization_check(one) for one in pod.organizations],
        "redis:connection": [_entry(judge_redis(pod)) | {"reason": _reason(pod)}],
        "upstream:connection": [
            _entry(judge_canvas(pod)) | {"last_success_seconds_ago": _seconds(last_success(pod))}
        ],
        "files": [_files_check(report, now) for report in pod.files],
        "workers": [
            {"componentId": pid} | _entry(verdict) | {"uptime": _seconds(uptime)}
            for pid, verdict, uptime in judge_workers(pod)
        ],
    }
    return {
        "status": _overall(checks),
        "version": __version__,
        "serviceId": "canvas-token-broker",
        "checks": checks,
    }


def organization_check(health: OrganizationHealth) -> dict[str, Any]:
    """Return one organization's entry."""
    return {
        "componentId": health.organization,
        **_entry(judge(health)),
        "state": health.state,
        "generation": health.generation,
        "expires_in": _seconds(health.expires_in),
        "refresh_expires_in": _seconds(health.refresh_expires_in),
        "margin": _seconds(health.margin),
        "lifetime": _seconds(health.lifetime),
        "refresh_lifetime": _seconds(health.refresh_lifetime),
        "last_refresh_seconds_ago": _seconds(health.last_refresh),
        "flaws": list(health.flaws),
        "last_error": health.last_error,
        "failures": health.failures,
        "latched": health.latched,
        "in_use": health.in_use,
        "refusing": health.refusing,
        "next_attempt_in": _seconds(health.next_attempt_in),
        "clock_skew": _tenths(health.skew),
        "credential_version": health.credential_version,
        "token_of_credential_version": health.record_version,
        "recent": [_event(one) for one in health.recent],
    }


def _event(event: Event) -> dict[str, Any]:
    return {
        "seconds_ago": _seconds(event.at),
        "kind": event.kind,
        "seconds": _tenths(event.seconds),
        "outcome": event.outcome,
        "error": event.error,
    }


def _files_check(report: FilesReport, now: float) -> dict[str, Any]:
    # A host's clock that was set back must not make it the future.
    age = max(0.0, now - report.taken_at)
    entry = _entry(judge_files(report))
    return {"componentId": report.what} | entry | {"last_reload_seconds_ago": _seconds(age)}


def _overall(checks: dict[str, list[dict[str, Any]]]) -> Status:
    """Return `fail` only when none that is asked for can be served, or none at all."""
    known = checks["organization:token"]
    asked_for = [check for check in known if check["in_use"]] or known
    if all(check["status"] is Status.FAIL for check in asked_for):
        return Status.FAIL
    words = {check["status"] for entries in checks.values() for check in entries}
    return Status.PASS if words == {Status.PASS} else Status.WARN


def _entry(verdict: Verdict) -> dict[str, Any]:
    return {"status": verdict.status, "output": verdict.sentence}


def _reason(pod: Pod) -> str | None:
    reason = store_reason(pod)
    return None if reason is None else str(reason)


def _seconds(value: float | None) -> int | None:
    return None if value is None else int(value)


def _tenths(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _answer(body: dict[str, Any]) -> Response:
    response = jsonify(body)
    response.mimetype = MEDIA_TYPE
    response.status_code = 503 if body["status"] == Status.FAIL else 200
    response.headers["Cache-Control"] = "no-store"
    return response
