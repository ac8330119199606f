"""Whoever selects pods selects those of one workload, and never the pod of the test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chart.engine import NAMESPACE, Target
from tests.chart.rendered import Object, Rendered, render
from tests.chart.samples import EACH_FILE, EVERY_POD, MINIMAL, changed, load
from tests.chart.workloads import labels, matches, selected, templates

SPREAD = "topologySpreadConstraints"


def selectors(rendered: Rendered) -> Iterator[tuple[str, Object]]:
    """Yield each selector of pods, and whose it is."""
    for one in rendered.objects:
        name, spec = f"{one['kind']}/{one['metadata']['name']}", one.get("spec", {})
        if one["kind"] == "Service":
            yield name, spec["selector"]
        elif one["kind"] == "NetworkPolicy":
            yield name, spec["podSelector"]
        elif one["kind"] in {"PodDisruptionBudget", "Deployment"}:
            yield name, spec["selector"]
        for spread in spec.get("template", {}).get("spec", {}).get(SPREAD, ()):
            yield f"{name}/{SPREAD}", spread["labelSelector"]


@EACH_FILE
def test_each_selector_selects_one_workload(path: Path) -> None:
    """Services, budgets, policies, Deployments and the spread of pods alike."""
    rendered = render(load(path))
    for whose, selector in selectors(rendered):
        if "/extra" in whose:
            continue
        found = selected(rendered, selector)
        assert len(found) == 1, (whose, found)
        assert found[0].startswith("Deployment/"), whose


@EACH_FILE
def test_a_selector_is_its_own_workloads(path: Path) -> None:
    """A Deployment its own; a Service those of its component, or the broker's for operators."""
    rendered = render(load(path))
    for one in rendered.of("Deployment"):
        (name,) = selected(rendered, one["spec"]["selector"])
        assert name == f"Deployment/{one['metadata']['name']}"
    for one in rendered.of("Service"):
        component = one["metadata"]["labels"]["app.kubernetes.io/component"]
        pods = {"management": "broker"}.get(component, component)
        assert one["spec"]["selector"]["app.kubernetes.io/component"] == pods


@EACH_FILE
def test_every_port_that_is_named_is_there(path: Path) -> None:
    """Services and policies name ports of containers; probes name their own container's."""
    rendered = render(load(path))
    for one in rendered.of("Service"):
        (name,) = selected(rendered, one["spec"]["selector"])
        spec = templates(rendered)[name]["spec"]
        there = {port["name"] for c in spec["containers"] for port in c.get("ports", ())}
        assert {port["targetPort"] for port in one["spec"]["ports"]} <= there
    for template in templates(rendered).values():
        for container in template["spec"]["containers"]:
            there = {port["name"] for port in container.get("ports", ())}
            assert probed(container) <= there, container["name"]


def probed(container: Object) -> set[object]:
    """Return the ports that a container's probes name."""
    probes = [container.get(f"{kind}Probe", {}) for kind in ("startup", "liveness", "readiness")]
    actions = [probe.get("httpGet") or probe.get("tcpSocket") for probe in probes]
    return {action["port"] for action in actions if action}


@EACH_FILE
def test_two_releases_do_not_select_each_other(path: Path) -> None:
    """In one namespace, even where one's name begins like the other's."""
    one, other = render(load(path)), render(load(path), Target("broker-2", NAMESPACE))
    for whose, selector in selectors(one):
        if "/extra" not in whose:
            assert selected(other, selector) == [], whose


@pytest.mark.parametrize(("enabled", "component"), [(True, "management"), (False, "broker")])
def test_the_service_monitor_selects_one_service_alone(component: str, *, enabled: bool) -> None:
    """That of operators, or else the callers'; neither Valkey's nor the emulator's."""
    more = {"serviceMonitor.enabled": True, "management.enabled": enabled}
    rendered = render(changed(more, EVERY_POD))
    selector = rendered.one("ServiceMonitor")["spec"]["selector"]
    found = [one for one in rendered.of("Service") if matches(selector, labels(one))]
    assert found == [rendered.one("Service", component)]


def test_a_spread_of_ones_own_keeps_its_selector() -> None:
    """It is filled in where there is none."""
    own = {"topologyKey": "rack", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
    chosen = {**own, "labelSelector": {"matchLabels": {"team": "core"}}}
    rendered = render(changed({SPREAD: [own, chosen]}, MINIMAL))
    filled, kept = rendered.broker()["spec"]["template"]["spec"][SPREAD]
    assert kept == chosen
    assert filled["labelSelector"] == rendered.broker()["spec"]["selector"]
