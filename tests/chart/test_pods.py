"""What every pod of the chart has, beyond what Pod Security demands; the pod of the test too."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chart.rendered import Object, Rendered, render
from tests.chart.restricted import containers
from tests.chart.samples import EACH_FILE, EVERY_POD, MINIMAL, changed, load
from tests.chart.workloads import templates

OWN = {"broker", "listener", "valkey", "canvas-emulator", "test"}
"""Names of the chart's containers; others are the user's."""


def pods(rendered: Rendered) -> Iterator[tuple[str, Object]]:
    """Yield each pod that is not the user's own."""
    for name, template in templates(rendered).items():
        if not name.split("/")[1].startswith("extra"):
            yield name, template["spec"]


def own_containers(spec: Object) -> list[Object]:
    """Return the chart's own containers of a pod."""
    return [one for one in containers(spec) if one["name"] in OWN]


def images(values: dict[str, Any]) -> set[str]:
    """Return the images of all the chart's containers."""
    found = pods(render(values))
    return {one["image"] for _, spec in found for one in own_containers(spec)}


def test_all_four_pods_are_there() -> None:
    """So that what is tested here is tested of each."""
    assert {one["name"] for _, spec in pods(render(EVERY_POD)) for one in containers(spec)} == OWN


@EACH_FILE
def test_no_pod_gets_more_than_it_asks_for(path: Path) -> None:
    """No token, and no variables that other Services of the namespace would bring."""
    for name, spec in pods(render(load(path))):
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["enableServiceLinks"] is False, name


@EACH_FILE
def test_no_account_mounts_a_token_by_itself(path: Path) -> None:
    """Neither may another pod of the same account get one by accident."""
    for one in render(load(path)).of("ServiceAccount"):
        if not one["metadata"]["name"].startswith("extra"):
            assert one["automountServiceAccountToken"] is False


@EACH_FILE
def test_every_container_has_a_root_that_cannot_be_written(path: Path) -> None:
    """And a user by number, which the kubelet can tell from root."""
    for name, spec in pods(render(load(path))):
        user = spec["securityContext"]["runAsUser"]
        assert isinstance(user, int), name
        assert user > 0, name
        for one in own_containers(spec):
            assert one["securityContext"]["readOnlyRootFilesystem"] is True, name


@EACH_FILE
def test_every_container_says_what_it_needs(path: Path) -> None:
    """Memory is limited, for what lies in memory volumes counts; CPU is not, it would throttle."""
    for _, spec in pods(render(load(path))):
        for one in own_containers(spec):
            assert one["resources"]["requests"].keys() == {"cpu", "memory"}, one["name"]
            assert "memory" in one["resources"]["limits"], one["name"]


@EACH_FILE
def test_a_memory_volume_has_a_size(path: Path) -> None:
    """One without could take the whole node's memory."""
    for name, spec in pods(render(load(path))):
        for volume in spec.get("volumes", ()):
            if volume.get("emptyDir", {}).get("medium") == "Memory":
                assert volume["emptyDir"]["sizeLimit"], name


@EACH_FILE
def test_volumes_and_mounts_fit(path: Path) -> None:
    """Each mount has its volume, each volume is mounted, and no file is mounted by subPath."""
    for name, spec in pods(render(load(path))):
        mounts = [mount for one in containers(spec) for mount in one.get("volumeMounts", ())]
        volumes = [one["name"] for one in spec.get("volumes", ())]
        assert len(set(volumes)) == len(volumes), name
        assert {one["name"] for one in mounts} == set(volumes), name
        assert not any("subPath" in one or "subPathExpr" in one for one in mounts), name


def test_pull_secrets_are_on_every_pod() -> None:
    """The global ones and those of the chart, each once; that of the test too."""
    pull = {"global.imagePullSecrets": ["one", "two"], "imagePullSecrets": ["two", "three"]}
    for name, spec in pods(render(changed(pull, EVERY_POD))):
        found = [one["name"] for one in spec["imagePullSecrets"]]
        assert found == ["one", "two", "three"], name


@pytest.mark.parametrize("registry", ["registry.example", "registry.example:5000/mirror"])
def test_one_registry_for_all(registry: str) -> None:
    """It goes before what an image says itself."""
    found = images(
        changed({"global.imageRegistry": registry, "image.registry": "other"}, EVERY_POD)
    )
    assert found == {
        f"{registry}/canvas-token-broker:0.1.0",
        f"{registry}/valkey/valkey:9.0-alpine",
    }


def test_registry_tag_and_digest() -> None:
    """The broker's own registry; a digest stands in place of the tag."""
    own = {"image.registry": "registry.example", "image.tag": "1.2"}
    assert images(changed(own)) == {"registry.example/canvas-token-broker:1.2"}
    assert images(MINIMAL) == {"canvas-token-broker:0.1.0"}
    digest = f"sha256:{'ab' * 32}"
    assert images(changed({"image.digest": digest, "image.tag": "1.2"})) == {
        f"canvas-token-broker@{digest}"
    }


def test_labels_annotations_and_places_of_the_values() -> None:
    """What the values add stands where it is meant."""
    added = {
        "podLabels": {"team": "core"},
        "podAnnotations": {"scrape": "no"},
        "deploymentAnnotations": {"reload": "no"},
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "only", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "high",
        "runtimeClassName": "gvisor",
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["canvas"]}],
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["10.0.0.2"]},
    }
    broker = render(changed(added)).broker()
    template = broker["spec"]["template"]
    assert broker["metadata"]["annotations"]["reload"] == "no"
    assert template["metadata"]["labels"]["team"] == "core"
    assert template["metadata"]["annotations"]["scrape"] == "no"
    taken = added.keys() - {"podLabels", "podAnnotations", "deploymentAnnotations"}
    assert {name: template["spec"][name] for name in taken} == {n: added[n] for n in taken}


def test_a_cluster_may_choose_the_user() -> None:
    """As OpenShift does: by null no pod names one, also not the one whose image has its own."""
    nobody = dict.fromkeys(("runAsUser", "runAsGroup", "fsGroup"))
    for name, spec in pods(render(changed({"podSecurityContext": nobody}, EVERY_POD))):
        assert not nobody.keys() & spec["securityContext"].keys(), name
        assert spec["securityContext"]["runAsNonRoot"] is True, name


def test_extra_parts() -> None:
    """Containers, volumes, mounts and variables of the user's own stand beside the chart's."""
    extra: dict[str, list[Any]] = {
        "extraEnv": [{"name": "TZ", "value": "UTC"}],
        "extraEnvFrom": [{"secretRef": {"name": "tracing"}}],
        "extraVolumes": [{"name": "extra", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "extra", "mountPath": "/extra"}],
        "extraContainers": [{"name": "extra-beside", "image": "x"}],
        "extraInitContainers": [{"name": "extra-before", "image": "x"}],
    }
    rendered = render(changed(extra))
    spec = rendered.broker()["spec"]["template"]["spec"]
    container = rendered.container()
    assert extra["extraEnv"][0] in container["env"]
    assert container["envFrom"] == extra["extraEnvFrom"]
    assert spec["volumes"][-1] == extra["extraVolumes"][0]
    assert container["volumeMounts"][-1] == extra["extraVolumeMounts"][0]
    assert spec["containers"][2:] == extra["extraContainers"]
    assert spec["initContainers"] == extra["extraInitContainers"]


def test_nothing_waits_before_the_broker_starts() -> None:
    """An init container that waits for Redis would turn its outage into a failed rollout."""
    assert not any("initContainers" in spec for _, spec in pods(render(EVERY_POD)))


def test_the_listener_has_nothing_of_the_brokers() -> None:
    """No environment, no key, no port, no probe: only the folder that both share."""
    rendered = render(EVERY_POD)
    spec = rendered.broker()["spec"]["template"]["spec"]
    (listener,) = [one for one in spec["containers"] if one["name"] == "listener"]
    assert listener.keys() == (
        {"name", "image", "imagePullPolicy", "securityContext"}
        | {"command", "resources", "volumeMounts"}
    )
    (mount,) = listener["volumeMounts"]
    assert mount in rendered.container()["volumeMounts"]
    assert rendered.env()["BROKER_LISTENER"] == listener["command"][-1]
    assert listener["command"][-1].startswith(f"{mount['mountPath']}/")
    assert listener["image"] == rendered.container()["image"]


def test_without_a_listener() -> None:
    """The broker is alone, and is told of none."""
    rendered = render(changed({"listener.enabled": False}))
    spec = rendered.broker()["spec"]["template"]["spec"]
    assert [one["name"] for one in spec["containers"]] == ["broker"]
    assert "listener" not in [one["name"] for one in spec["volumes"]]
    assert "BROKER_LISTENER" not in rendered.env()


def test_extra_objects() -> None:
    """As maps or as text, each with the values of the release filled in."""
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 'extra-{{ .Release.Name }}'}"
    one = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "extra-map"}}
    rendered = render(changed({"extraObjects": [text, one]}))
    assert rendered.named("ConfigMap", "extra-broker")
    assert rendered.named("Secret", "extra-map") == one
