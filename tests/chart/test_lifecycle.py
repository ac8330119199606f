"""How pods start, are asked, and stop."""

from pathlib import Path
from typing import Any

import pytest

from tests.chart.rendered import Object, render
from tests.chart.samples import EACH_FILE, MINIMAL, changed, load

PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
TLS = {"tls.existingSecret": "pair"}
MUTUAL = {**TLS, "tls.clientCaSecret": "ca", "tls.clientCerts": "required"}
GUNICORN_TIMEOUT = 30


def action(container: Object, probe: str) -> Object:
    """Return what a probe does, without its times."""
    return {k: v for k, v in container[probe].items() if k in {"httpGet", "tcpSocket", "exec"}}


@EACH_FILE
def test_the_grace_period_is_the_sum(path: Path) -> None:
    """Of the drain, what the broker gives its workers, and five seconds."""
    values = load(path).get("shutdown", {})
    rendered = render(load(path))
    stop = values.get("gracefulTimeoutSeconds", 25)
    drain = values.get("drainSeconds", 10)
    spec = rendered.broker()["spec"]["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] == drain + stop + 5
    assert rendered.env()["BROKER_GRACEFUL_TIMEOUT"] == str(stop)
    assert rendered.env()["BROKER_DRAIN_TIME"] == str(drain)


def test_the_drain_is_the_brokers_own() -> None:
    """A hook before SIGTERM would leave the broker without a word of it."""
    assert "lifecycle" not in render(MINIMAL).container()


def test_what_is_asked() -> None:
    """Only readiness asks whether the broker can serve: an outage of Redis restarts no pod."""
    container = render(MINIMAL).container()
    asked = {probe: action(container, probe)["httpGet"]["path"] for probe in PROBES}
    assert asked == {
        "startupProbe": "/health/live",
        "livenessProbe": "/health/live",
        "readinessProbe": "/health/ready",
    }
    for probe in PROBES:
        assert action(container, probe)["httpGet"]["port"] == "management"


def test_the_ports() -> None:
    """Those that the broker listens on; probes ask the callers' where there is no other."""
    both, alone = (render(changed({"management.enabled": on})) for on in (True, False))
    assert both.container()["ports"] == [
        {"name": "http", "containerPort": 8080},
        {"name": "management", "containerPort": 8081},
    ]
    assert both.env()["BROKER_BIND"].endswith(":8080")
    assert both.env()["BROKER_MANAGEMENT_BIND"].endswith(":8081")
    assert alone.container()["ports"] == [{"name": "http", "containerPort": 8080}]
    assert not alone.env().keys() & {"BROKER_MANAGEMENT_BIND", "BROKER_MANAGEMENT_TLS"}
    for probe in PROBES:
        assert action(alone.container(), probe)["httpGet"]["port"] == "http"


@pytest.mark.parametrize(
    ("values", "kind"),
    [(TLS, "httpGet"), ({**MUTUAL, "tls.clientCerts": "optional"}, "httpGet")],
)
def test_probes_with_tls(values: dict[str, Any], kind: str) -> None:
    """They speak it, as everybody does; the port is called so."""
    container = render(changed(values)).container()
    assert [port["name"] for port in container["ports"]] == ["https", "management"]
    for probe in PROBES:
        assert action(container, probe)[kind]["scheme"] == "HTTPS"


@pytest.mark.parametrize("values", [TLS, MUTUAL])
def test_probes_without_tls_beside_callers_with_it(values: dict[str, Any]) -> None:
    """They ask what they should, whatever certificate callers must show."""
    rendered = render(changed({**values, "management.tls": False}))
    assert rendered.env()["BROKER_MANAGEMENT_TLS"] == "off"
    for probe in PROBES:
        asked = action(rendered.container(), probe)["httpGet"]
        assert (asked["port"], asked["scheme"]) == ("management", "HTTP")


def test_probes_where_a_certificate_is_asked_for() -> None:
    """The kubelet has none to show, so it only connects."""
    container = render(changed(MUTUAL)).container()
    for probe in PROBES:
        assert action(container, probe) == {"tcpSocket": {"port": "management"}}


@EACH_FILE
def test_liveness_waits_for_gunicorn(path: Path) -> None:
    """Which replaces a hanging worker by itself; a slow start is not a dead pod either."""
    container = render(load(path)).container()
    liveness, startup = container["livenessProbe"], container["startupProbe"]
    assert liveness["periodSeconds"] * liveness["failureThreshold"] > GUNICORN_TIMEOUT
    assert startup["periodSeconds"] * startup["failureThreshold"] >= GUNICORN_TIMEOUT


def test_the_runtime_folder_is_in_memory() -> None:
    """It, ``/tmp`` and the listener's are all that can be written, of the size that is said."""
    sizes = {"memoryVolumes.tmp": "8Mi", "memoryVolumes.runtime": "32Mi"}
    rendered = render(changed(sizes))
    spec = rendered.broker()["spec"]["template"]["spec"]
    empty = {v["name"]: v["emptyDir"] for v in spec["volumes"] if "emptyDir" in v}
    mounts = {m["name"]: m["mountPath"] for m in rendered.container()["volumeMounts"]}
    assert {mounts[name]: one for name, one in empty.items()} == {
        "/tmp": {"medium": "Memory", "sizeLimit": "8Mi"},
        rendered.env()["BROKER_RUNTIME_DIR"]: {"medium": "Memory", "sizeLimit": "32Mi"},
        "/run/listener": {"medium": "Memory", "sizeLimit": "64Ki"},
    }


def test_the_own_token_is_there_only_where_it_is_needed() -> None:
    """For the API server, short-lived, with its authority; else the pod has none."""
    found = render(changed({"serviceAccountCallers.enabled": True})).broker()
    volumes = found["spec"]["template"]["spec"]["volumes"]
    (sources,) = (v["projected"]["sources"] for v in volumes if v["name"] == "service-account")
    token, authority = sources
    assert token == {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}}
    assert authority["configMap"]["name"] == "kube-root-ca.crt"
    assert "serviceAccountToken" not in str(render(MINIMAL).broker())


def test_rights_are_bound_only_where_they_are_asked_for() -> None:
    """To read the cluster's keys, and nothing else."""
    assert not render(MINIMAL).of("ClusterRoleBinding")
    bound = {
        "serviceAccountCallers.enabled": True,
        "serviceAccountCallers.clusterRoleBinding": True,
    }
    rendered = render(changed(bound))
    binding = rendered.one("ClusterRoleBinding")
    assert binding["roleRef"]["name"] == "system:service-account-issuer-discovery"
    account = rendered.broker()["spec"]["template"]["spec"]["serviceAccountName"]
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": account, "namespace": "tokens"}
    ]


def test_accounts() -> None:
    """Of the chart's making or not, the pods run as the one that is named."""

    def account(values: dict[str, Any]) -> tuple[str, list[str]]:
        rendered = render(changed(values))
        named = rendered.broker()["spec"]["template"]["spec"]["serviceAccountName"]
        return named, [one["metadata"]["name"] for one in rendered.of("ServiceAccount")]

    own = "broker-canvas-token-broker"
    assert account({}) == (own, [own])
    assert account({"serviceAccount.name": "mine"}) == ("mine", ["mine"])
    assert account({"serviceAccount.create": False}) == ("default", [])
    theirs = {"serviceAccount.create": False, "serviceAccount.name": "theirs"}
    assert account(theirs) == ("theirs", [])
