"""The files that are shipped for Prometheus and Grafana, read."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "helm" / "canvas-token-broker" / "files"
RULES = SHIPPED / "rules.yaml"
UNIT_TESTS = sorted((Path(__file__).parent / "rules").glob("*.yaml"))
RUNBOOK = ROOT / "docs" / "alerts.md"


@dataclass(frozen=True)
class Rule:
    """An alert rule; several may have one name, each with a severity of its own."""

    alert: str
    expr: str
    severity: str
    labels: dict[str, str]
    annotations: dict[str, str]


@cache
def rules() -> tuple[Rule, ...]:
    """Return all alert rules."""
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return tuple(
        Rule(
            rule["alert"],
            rule["expr"],
            rule["labels"]["severity"],
            rule["labels"],
            rule["annotations"],
        )
        for group in groups
        for rule in group["rules"]
    )


@cache
def expectations() -> tuple[tuple[str, frozenset[str]], ...]:
    """Return what the unit tests expect: an alert, and the severities that fire, none if silent."""
    found = []
    for path in UNIT_TESTS:
        for test in yaml.safe_load(path.read_text("utf-8"))["tests"]:
            for one in test["alert_rule_test"]:
                fired = [alert["exp_labels"]["severity"] for alert in one.get("exp_alerts", [])]
                found.append((one["alertname"], frozenset(fired)))
    return tuple(found)


@cache
def dashboard() -> dict[str, Any]:
    """Return the dashboard."""
    loaded: dict[str, Any] = json.loads((SHIPPED / "dashboard.json").read_text("utf-8"))
    return loaded
