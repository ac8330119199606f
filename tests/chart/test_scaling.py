"""How many pods there are, how they are replaced, and who may take them away."""

from typing import Any

import pytest

from tests.chart.rendered import render
from tests.chart.samples import MINIMAL, changed

AUTO = {"autoscaling.enabled": True}
PROGRESS_DEADLINE_S = 600
"""Kubernetes' own, after which a rollout without progress has failed."""
BUDGETS: list[tuple[dict[str, Any], dict[str, Any] | None]] = [
    ({}, {"maxUnavailable": 1}),
    ({"replicaCount": 1}, None),
    ({"replicaCount": 0}, None),
    ({"replicaCount": 3, "podDisruptionBudget.minAvailable": 2}, {"minAvailable": 2}),
    ({"podDisruptionBudget.minAvailable": "50%"}, {"minAvailable": "50%"}),
    ({"podDisruptionBudget.minAvailable": 0}, {"minAvailable": 0}),
    ({"podDisruptionBudget.maxUnavailable": 2}, {"maxUnavailable": 2}),
    ({"podDisruptionBudget.maxUnavailable": "34%"}, {"maxUnavailable": "34%"}),
    ({**AUTO, "replicaCount": 1}, {"maxUnavailable": 1}),
    ({**AUTO, "autoscaling.minReplicas": 1, "replicaCount": 5}, None),
]


@pytest.mark.parametrize(("values", "budget"), BUDGETS)
def test_the_budget(values: dict[str, Any], budget: dict[str, Any] | None) -> None:
    """There where there is more than one pod always; 0 is a number, too."""
    found = [one["spec"] for one in render(changed(values)).of("PodDisruptionBudget")]
    if budget is None:
        assert found == []
        return
    (spec,) = found
    assert {k: v for k, v in spec.items() if k.endswith("vailable")} == budget
    assert spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


@pytest.mark.parametrize("count", [0, 1, 3])
def test_replicas(count: int) -> None:
    """As many as the values say, also none."""
    assert render(changed({"replicaCount": count})).broker()["spec"]["replicas"] == count


def test_an_autoscaler_has_the_number_for_itself() -> None:
    """An upgrade would else set it back each time."""
    rendered = render(changed({**AUTO, "autoscaling.targetMemoryUtilizationPercentage": 80}))
    assert "replicas" not in rendered.broker()["spec"]
    spec = rendered.one("HorizontalPodAutoscaler")["spec"]
    assert spec["scaleTargetRef"]["name"] == rendered.broker()["metadata"]["name"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 6)
    targets = {m["resource"]["name"]: m["resource"]["target"] for m in spec["metrics"]}
    assert targets == {
        "cpu": {"type": "Utilization", "averageUtilization": 70},
        "memory": {"type": "Utilization", "averageUtilization": 80},
    }
    assert not render(MINIMAL).of("HorizontalPodAutoscaler")


def test_one_target_may_be_left_out() -> None:
    """By null."""
    only = {"autoscaling.targetCPUUtilizationPercentage": None}
    memory = {**AUTO, **only, "autoscaling.targetMemoryUtilizationPercentage": 80}
    (metric,) = render(changed(memory)).one("HorizontalPodAutoscaler")["spec"]["metrics"]
    assert metric["resource"]["name"] == "memory"


def test_a_new_pod_comes_before_an_old_one_goes() -> None:
    """Unless the values say otherwise."""
    spec = render(MINIMAL).broker()["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    again = render(changed({"updateStrategy": {"type": "Recreate", "rollingUpdate": None}}))
    assert again.broker()["spec"]["strategy"] == {"type": "Recreate"}
    kept = render(changed({"revisionHistoryLimit": 0, "minReadySeconds": 5})).broker()["spec"]
    assert (kept["revisionHistoryLimit"], kept["minReadySeconds"]) == (0, 5)


def test_a_pod_that_does_not_stay_ready_stops_a_rollout() -> None:
    """It counts only when its probe has had the time to fail; Kubernetes gives up long after."""
    rendered = render(MINIMAL)
    probe, least = rendered.container()["readinessProbe"], rendered.broker()["spec"]
    failing = probe["periodSeconds"] * probe["failureThreshold"] + probe["timeoutSeconds"]
    assert failing < least["minReadySeconds"] < PROGRESS_DEADLINE_S / 10


def test_the_service() -> None:
    """Its port, type, labels and annotations are those of the values."""
    values = {
        "service.type": "LoadBalancer",
        "service.port": 80,
        "service.nodePort": 30080,
        "service.labels": {"team": "core"},
        "service.annotations": {"internal": "true"},
        "service.trafficDistribution": "PreferClose",
    }
    service = render(changed(values)).one("Service", "broker")
    (port,) = service["spec"]["ports"]
    assert (port["port"], port["nodePort"], port["targetPort"]) == (80, 30080, "http")
    assert service["spec"]["type"] == "LoadBalancer"
    assert service["spec"]["trafficDistribution"] == "PreferClose"
    assert service["metadata"]["labels"]["team"] == "core"
    assert service["metadata"]["annotations"]["internal"] == "true"
    plain = render(MINIMAL).one("Service", "broker")["spec"]
    assert plain["type"] == "ClusterIP"
    assert "trafficDistribution" not in plain
    assert "nodePort" not in plain["ports"][0]
