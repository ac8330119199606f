"""``/health``, ``/health/live`` and ``/health/ready``: what operators and probes ask.

The body of ``/health`` is ``application/health+json`` (draft-inadarei-api-health-check-06).
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import Blueprint, Response, abort, jsonify, request

from broker import __version__
from broker.pod.checks import (
    judge_canvas,
    judge_files,
    judge_redis,
    judge_workers,
    last_success,
    store_reason,
)
from broker.pod.judgement import LARGEST_SKEW, Status, Verdict
from broker.pod.listing import Judged, Listing, Wanted
from broker.pod.snapshot import FilesReport, Pod
from broker.policy.history import Event
from broker.web.health_schemas import HEALTH_ANSWER, HEALTH_QUERY
from broker.web.metrics import PodView
from broker.web.parameters import load, parameters

__all__ = ["LARGEST_SKEW", "health_views", "summary"]

MEDIA_TYPE = "application/health+json"

Histories = Callable[[Sequence[str]], Mapping[str, tuple[Event, ...]]]
"""What happened last to the organizations of these names."""


def health_views(pod: PodView, wall: Callable[[], float] = time.time) -> Blueprint:
    """Return the views under ``/health``.

    Probes ask ``pod`` for nothing that its workers would have to be waited for. ``wall`` returns
    Unix seconds by the host's clock.
    """
    views = Blueprint("health", __name__, url_prefix="/health")

    @views.get("")
    def health() -> Response:
        wanted = Wanted(**load(HEALTH_QUERY, parameters(request.query_string)))
        told = summary(pod.gather(), wall(), wanted, pod.histories)
        if wanted.organization is not None and not told["organizations"]["found"]:
            abort(404)
        return _answer(HEALTH_ANSWER.dump(told))

    @views.get("/live")
    def live() -> Response:
        return _answer({"status": Status.PASS})

    @views.get("/ready")
    def ready() -> Response:
        return _answer({"status": Status.PASS if pod.is_ready() else Status.FAIL})

    return views


def summary(pod: Pod, now: float, wanted: Wanted, histories: Histories) -> dict[str, Any]:
    """Return the body of ``/health`` at the Unix second ``now``, by the host's clock."""
    listing = Listing(pod.organizations, wanted)
    recent = histories([one.health.organization for one in listing.listed])
    others: dict[str, list[dict[str, Any]]] = {
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
    status = listing.status()
    if any(check["status"] is not Status.PASS for each in others.values() for check in each):
        status = Status.FAIL if status is Status.FAIL else Status.WARN
    tokens = [organization_check(one, recent) for one in listing.listed]
    return {
        "status": status,
        "version": __version__,
        "serviceId": "canvas-token-broker",
        "organizations": listing.counts(),
        "checks": {"organization:token": tokens} | others,
    }


def organization_check(
    judged: Judged, histories: Mapping[str, tuple[Event, ...]]
) -> dict[str, Any]:
    """Return one organization's entry."""
    health, verdict = judged
    return {
        "componentId": health.organization,
        **_entry(verdict),
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
        "recent": [_event(one) for one in histories.get(health.organization, ())],
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
    return response
