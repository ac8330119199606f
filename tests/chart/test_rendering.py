"""What holds for every object of every sample: names, labels, and nothing left to chance."""

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.chart import engine
from tests.chart.binary import Helm
from tests.chart.engine import NAMESPACE, Target
from tests.chart.rendered import Object, documents, render
from tests.chart.samples import EACH_FILE, EVERY_POD, LONGEST_RELEASE, MINIMAL, changed, load

LABELS = {
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/component",
    "app.kubernetes.io/version",
    "app.kubernetes.io/managed-by",
    "helm.sh/chart",
}
CLUSTER_WIDE = {"ClusterRole", "ClusterRoleBinding"}
NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
LONGEST = Target(LONGEST_RELEASE, NAMESPACE)
LONGEST_OF_THE_BROKER = 52
"""Its ReplicaSets and their pods get further characters, and are told apart by those."""


def own(path: Path, target: Target = engine.HERE) -> list[Object]:
    """Return the objects of the chart itself."""
    found = render(load(path), target).objects
    return [one for one in found if one["metadata"].get("labels", {}).keys() >= LABELS]


@EACH_FILE
def test_two_renderings_are_equal(path: Path) -> None:
    """To the letter: nothing is random, and no clock is read."""
    assert engine.render(load(path)) == engine.render(load(path))


@EACH_FILE
def test_no_object_stands_twice(path: Path) -> None:
    """A second one of the same kind and name would replace the first."""
    objects = render(load(path)).objects
    found = Counter((one["kind"], one["metadata"]["name"]) for one in objects)
    assert [name for name, count in found.items() if count > 1] == []


@EACH_FILE
def test_every_object_is_labelled_and_in_its_namespace(path: Path) -> None:
    """All but the extra ones, which are the user's own."""
    for one in render(load(path)).objects:
        name = one["metadata"]["name"]
        if not name.startswith("extra"):
            assert one["metadata"]["labels"].keys() >= LABELS, name
            here = None if one["kind"] in CLUSTER_WIDE else NAMESPACE
            assert one["metadata"].get("namespace") == here, name


@EACH_FILE
@pytest.mark.parametrize("target", [engine.HERE, LONGEST], ids=["short", "longest"])
def test_names_and_labels_fit(path: Path, target: Target) -> None:
    """Also with the longest name of a release that Helm takes."""
    for one in own(path, target):
        name = one["metadata"]["name"]
        assert len(name) <= 63, name
        assert NAME.fullmatch(name), name
        template = one.get("spec", {}).get("template", {}).get("metadata", {})
        for labels in (one["metadata"]["labels"], template.get("labels", {})):
            for value in labels.values():
                assert len(value) <= 63, value
                assert LABEL.fullmatch(value), value


def test_names_stay_apart_when_they_are_cut() -> None:
    """Two objects of a kind never end up under one name."""
    long = render(changed({"fullnameOverride": "n" * 63}, EVERY_POD), LONGEST)
    found = Counter((one["kind"], one["metadata"]["name"]) for one in long.objects)
    assert set(found.values()) == {1}
    assert len(long.broker()["metadata"]["name"]) == LONGEST_OF_THE_BROKER


def test_names_can_be_chosen() -> None:
    """A release that bears the chart's name does not bear it twice."""
    assert render(MINIMAL).broker()["metadata"]["name"] == "broker-canvas-token-broker"
    same = render(MINIMAL, Target("canvas-token-broker", NAMESPACE))
    assert same.broker()["metadata"]["name"] == "canvas-token-broker"
    other = render(changed({"nameOverride": "tokens"})).broker()
    assert other["metadata"]["name"] == "broker-tokens"
    full = render(changed({"fullnameOverride": "mine"})).broker()
    assert full["metadata"]["name"] == "mine"


def test_what_is_common_is_on_every_object() -> None:
    """Labels and annotations of the values, on pods too, but in no selector."""
    common = {"commonLabels": {"team": "core"}, "commonAnnotations": {"owner": "core"}}
    for one in render(changed(common, EVERY_POD)).objects:
        metadata = one["metadata"]
        assert (metadata["labels"]["team"], metadata["annotations"]["owner"]) == ("core", "core")
        if one["kind"] == "Deployment":
            assert "team" not in one["spec"]["selector"]["matchLabels"]
            assert one["spec"]["template"]["metadata"]["labels"]["team"] == "core"


def test_labels_of_the_values_do_not_change_what_selects() -> None:
    """Neither common ones nor those of the pods can take a pod away from its Service."""
    stolen = {"app.kubernetes.io/component": "stolen", "app.kubernetes.io/name": "stolen"}
    try:
        rendered = render(changed({"commonLabels": stolen, "podLabels": stolen}))
    except engine.RefusedError:
        return
    selector = rendered.broker()["spec"]["selector"]["matchLabels"]
    carried = rendered.broker()["spec"]["template"]["metadata"]["labels"]
    assert carried.items() >= selector.items()


@pytest.mark.sockets
@EACH_FILE
def test_the_real_helm_makes_the_same(path: Path, command: Helm) -> None:
    """The command and the library differ in nothing but the notes, which it does not print."""
    made = command.render(load(path), engine.HERE, "--kube-version", "1.30.0")
    expected = render(load(path)).objects
    key = lambda one: (one["kind"], one["metadata"]["name"])  # noqa: E731  # used twice, at once
    found = [one for text in made.values() for one in documents(text)]
    assert sorted(found, key=key) == sorted(expected, key=key)


@pytest.mark.sockets
def test_an_older_kubernetes_is_refused(command: Helm) -> None:
    """In the words of Helm itself."""
    with pytest.raises(engine.RefusedError, match=r"incompatible with Kubernetes v1\.29"):
        command.render(MINIMAL, engine.HERE, "--kube-version", "1.29.9")
    assert command.render(MINIMAL, engine.HERE, "--kube-version", "1.30.0-eks-1")
