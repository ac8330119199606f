"""The values that the tests render: files beside the chart, and small ones changed by path."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.engine import CHART

DEMO = CHART / "values-demo.yaml"
PRODUCTION = CHART / "values-production.yaml"
CI = sorted((CHART / "ci").glob("*-values.yaml"))
FILES = [*CI, DEMO, PRODUCTION]
LONGEST_RELEASE = "release-" + "n" * 45
DIGEST = "73fca105d227f38456732909d7f9c7e1b6fd235e536e77c38b858eec45a2df76"
OTHER_DIGEST = "19c084f284130c8df5d406ad7b799d548af640b685f40d376fa571c7f7f3459b"

MINIMAL: dict[str, Any] = {
    "organizations": {"acme": {"secretName": "canvas-acme"}},
    "callers": {"billing": {"keySha256": [DIGEST], "organizations": ["acme"]}},
    "redis": {"url": "redis://redis:6379"},
}
EVERY_POD: dict[str, Any] = {
    "demo": {"enabled": True},
    "valkey": {"enabled": True},
    "serviceAccountCallers": {"enabled": True},
    "helmTest": {"enabled": True},
}
"""Values with which each kind of pod is there."""

_RESOURCES = {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}}
SELDOM: dict[str, Any] = {
    "image.repository": "mirror/broker",
    "image.tag": "1.2",
    "valkey.image.repository": "mirror/valkey",
    "valkey.image.digest": f"sha256:{'ab' * 32}",
    "valkey.image.pullPolicy": "Always",
    "valkey.resources": _RESOURCES,
    "demo.resources": _RESOURCES,
    "service.trafficDistribution": "PreferClose",
    "podSecurityContext.runAsUser": 1000,
    "securityContext.seccompProfile": {"type": "RuntimeDefault"},
    "startupProbe.failureThreshold": 120,
    "readinessProbe.periodSeconds": 2,
    "revisionHistoryLimit": 1,
    "autoscaling.targetCPUUtilizationPercentage": 50,
    "runtimeClassName": "gvisor",
    "serviceMonitor.scrapeTimeout": "5s",
    "dashboard.labels": {"grafana_dashboard": "yes"},
}
"""What no file sets."""

EACH_FILE = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def load(path: Path) -> dict[str, Any]:
    """Return the values of a file."""
    values: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return values


def changed(changes: dict[str, Any], values: dict[str, Any] = MINIMAL) -> dict[str, Any]:
    """Return values, the minimal ones if none are given, with other ones at dotted paths."""
    result = copy.deepcopy(values)
    for path, value in changes.items():
        *outer, last = path.split(".")
        place = result
        for name in outer:
            place = place.setdefault(name, {})
        place[last] = value
    return result
