"""The pods that a rendered chart would bring about, and who selects them."""

from typing import Any

from tests.chart.rendered import Object, Rendered

WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"})


def templates(rendered: Rendered) -> dict[str, Object]:
    """Return the template of each pod by the kind and name of what makes it."""
    return {f"{one['kind']}/{one['metadata']['name']}": t for one, t in _templates(rendered)}


def _templates(rendered: Rendered) -> list[tuple[Object, Object]]:
    found = []
    for one in rendered.objects:
        if one["kind"] == "Pod":
            found.append((one, one))
        elif one["kind"] == "CronJob":
            found.append((one, one["spec"]["jobTemplate"]["spec"]["template"]))
        elif one["kind"] in WORKLOADS:
            found.append((one, one["spec"]["template"]))
    return found


def labels(template: Object) -> dict[str, str]:
    """Return the labels of a pod."""
    found: dict[str, str] = template["metadata"].get("labels") or {}
    return found


def matches(selector: dict[str, Any], carried: dict[str, str]) -> bool:
    """Tell whether a label selector with or without ``matchLabels`` selects these labels."""
    assert "matchExpressions" not in selector, "teach this function expressions"
    wanted: dict[str, str] = selector.get("matchLabels", selector)
    assert wanted, "an empty selector selects everything, or nothing"
    return carried.items() >= wanted.items()


def selected(rendered: Rendered, selector: dict[str, Any]) -> list[str]:
    """Return the names of the pods that a selector selects."""
    found = templates(rendered)
    return [name for name, template in found.items() if matches(selector, labels(template))]
