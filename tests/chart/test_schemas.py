"""Every object is one that Kubernetes knows, from the oldest version promised to the newest."""

import copy
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from kubernetes_validate import utils  # type: ignore[import-untyped]  # ships no types

from tests.chart.engine import CHART
from tests.chart.rendered import Object, render
from tests.chart.samples import EACH_FILE, EVERY_POD, MINIMAL, SELDOM, changed, load

OLDEST = "1.30"
VERSIONS = (OLDEST, "1.32", "1.34", utils.latest_version())
CUSTOM = {"ServiceMonitor", "PrometheusRule"}
"""Kinds of the Prometheus operator, which have tests of their own."""


@pytest.fixture(scope="module", autouse=True)
def schemas() -> Iterator[None]:
    """Read each file of schemas once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, "schema_contents", functools.cache(utils.schema_contents))
        yield


def problems(one: Object, version: str) -> str:
    """Return what is wrong with an object in a version of Kubernetes, nothing if all is well."""
    try:
        utils.validate(one, version, strict=True)
    except utils.ValidationError as error:
        return f"{one['kind']} {one['metadata']['name']}: {list(error.path)}: {error.message}"
    return ""


@EACH_FILE
@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_knows_every_object(path: Path, version: str) -> None:
    """Down to the last field: a misspelt one is an error."""
    known = [one for one in render(load(path)).objects if one["kind"] not in CUSTOM]
    assert known
    assert [said for one in known if (said := problems(one, version))] == []


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_knows_what_is_set_seldom(version: str) -> None:
    """All values that no file sets, at once."""
    rendered = render(changed({**SELDOM, "autoscaling.enabled": True}, EVERY_POD))
    assert [said for one in rendered.objects if (said := problems(one, version))] == []


def test_a_misspelt_field_is_seen() -> None:
    """In the pod's template as anywhere else."""
    broker = copy.deepcopy(render(MINIMAL).broker())
    broker["spec"]["template"]["spec"]["enableServiceLink"] = False
    assert "enableServiceLink" in problems(broker, OLDEST)


def test_the_oldest_version_is_the_one_that_the_chart_names() -> None:
    """Pre-releases of it, as clouds name theirs, included."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert re.fullmatch(rf">=\s?{OLDEST}\.0-0", chart["kubeVersion"])
