"""``/health``, ``/health/live`` and ``/health/ready``: what operators and probes ask.

The body of ``/health`` is ``application/health+json`` (draft-inadarei-api-health-check-06).
"""

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any

from flask import Blueprint, Response, jsonify

from broker import __version__
from broker.policy.answers import OrganizationHealth
from broker.tokens import State

MEDIA_TYPE = "application/health+json"
LARGEST_SKEW = 30.0
"""Seconds between this host's clock and Canvas's from which on health warns."""

Report = Callable[[], tuple[list[OrganizationHealth], list[str]]]
"""The organizations, and what is wrong with the files that were last read."""


class Status(StrEnum):
    """The three words of the health format, in order of concern."""

    PASS = "pass"  # noqa: S105  # a word of the format, no password
    WARN = "warn"
    FAIL = "fail"


def health_views(report: Report) -> Blueprint:
    """Return the views under ``/health``."""
    views = Blueprint("health", __name__, url_prefix="/health")

    @views.get("")
    def health() -> Response:
        return _answer(summary(*report()))

    @views.get("/live")
    def live() -> Response:
        return _answer({"status": Status.PASS})

    @views.get("/ready")
    def ready() -> Response:
        organizations, _ = report()
        return _answer({"status": Status.PASS if is_ready(organizations) else Status.FAIL})

    return views


def is_ready(organizations: Iterable[OrganizationHealth]) -> bool:
    """Tell whether this worker can serve: it has a token, or nothing hinders getting one."""
    return any(o.state is not State.EMPTY or _hindrance(o) is None for o in organizations)


def summary(organizations: list[OrganizationHealth], file_problems: list[str]) -> dict[str, Any]:
    """Return the body of ``/health``. It fails when no organization at all can be served."""
    checks = [organization_check(o) for o in organizations]
    words = [check["status"] for check in checks]
    store = _store_check(organizations)
    files = {"status": Status.WARN if file_problems else Status.PASS, "output": file_problems}
    status = Status.PASS
    if {*words, store["status"], files["status"]} != {Status.PASS}:
        status = Status.WARN
    if all(word is Status.FAIL for word in words):
        status = Status.FAIL
    return {
        "status": status,
        "version": __version__,
        "serviceId": "canvas-token-broker",
        "checks": {"organization:token": checks, "redis:connection": [store], "files": [files]},
    }


def organization_check(health: OrganizationHealth) -> dict[str, Any]:
    """Return one organization's entry."""
    status, sentence = judge(health)
    return {
        "componentId": health.organization,
        "status": status,
        "output": sentence,
        "state": health.state,
        "generation": health.generation,
        "expires_in": _seconds(health.expires_in),
        "refresh_expires_in": _seconds(health.refresh_expires_in),
        "last_refresh_seconds_ago": _seconds(health.last_refresh),
        "last_error": health.last_error,
        "failures": health.failures,
        "next_attempt_in": _seconds(health.next_attempt_in),
        "clock_skew": None if health.skew is None else round(health.skew, 1),
        "credential_version": health.credential_version,
        "token_of_credential_version": health.record_version,
    }


def judge(health: OrganizationHealth) -> tuple[Status, str]:
    """Return how an organization is doing, and a plain sentence of what is wrong."""
    empty = health.state is State.EMPTY
    hindrance = _hindrance(health)
    if hindrance is not None:
        return Status.FAIL if empty else Status.WARN, hindrance
    if not health.landed:
        return Status.WARN, "The newest token is not in Redis yet: its commit is repeated."
    if health.skew is not None and abs(health.skew) > LARGEST_SKEW:
        return Status.WARN, "This host's clock and Canvas's differ: check both."
    if empty:
        return Status.PASS, "There is no token now; the next request gets one."
    return Status.PASS, "A valid token is there."


def _hindrance(health: OrganizationHealth) -> str | None:
    """Return what keeps the broker from getting a new token, if anything does."""
    if health.latched:
        return "Canvas refuses the keys: replace this organization's credentials."
    if not health.store_answers:
        return "Redis does not answer: the token cannot be refreshed."
    if health.failures:
        return f"The last refresh failed ({health.last_error}); it is tried again."
    return None


def _store_check(organizations: list[OrganizationHealth]) -> dict[str, Any]:
    if all(o.store_answers for o in organizations):
        return {"status": Status.PASS, "output": "Redis answers."}
    return {"status": Status.WARN, "output": "Redis does not answer; tokens come from memory."}


def _seconds(value: float | None) -> int | None:
    return None if value is None else int(value)


def _answer(body: dict[str, Any]) -> Response:
    response = jsonify(body)
    response.mimetype = MEDIA_TYPE
    response.status_code = 503 if body["status"] is Status.FAIL else 200
    response.headers["Cache-Control"] = "no-store"
    return response
