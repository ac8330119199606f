"""The dashboard can be imported anywhere, explains itself, and shows metrics that exist."""

import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest

from broker.metrics.catalogue import CATALOGUE
from tests.monitoring.files import dashboard
from tests.monitoring.promql import problems, selectors

EVERYTHING: list[dict[str, Any]] = dashboard()["panels"]
PANELS = [panel for panel in EVERYTHING if panel["type"] != "row"]
ROWS = ["At a glance", "Tokens", "Canvas", "Redis and waiting", "Callers", "Operations"]
VARIABLES = {one["name"]: one for one in dashboard()["templating"]["list"]}
EACH = pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])


def expressions(panel: dict[str, Any]) -> list[str]:
    """Return a panel's expressions, with Grafana's interval made one of Prometheus."""
    return [one["expr"].replace("$__rate_interval", "1m") for one in panel["targets"]]


def data_sources(part: Any) -> Iterator[str]:
    """Yield the data sources named anywhere in the dashboard."""
    if isinstance(part, dict):
        if isinstance(part.get("datasource"), dict):
            yield part["datasource"]["uid"]
        for one in part.values():
            yield from data_sources(one)
    elif isinstance(part, list):
        for one in part:
            yield from data_sources(one)


def test_it_can_be_imported_anywhere() -> None:
    """It has a stable id of its own and none of a Grafana's, and asks for its data source."""
    assert dashboard()["uid"] == "canvas-token-broker"
    assert dashboard()["schemaVersion"] >= 38
    assert "id" not in dashboard()
    assert set(data_sources(dashboard())) == {"${datasource}"}


def test_variables() -> None:
    """All of something is chosen at first, and matches also what has no such label."""
    assert list(VARIABLES) == ["datasource", "namespace", "job", "organization"]
    for name in ("namespace", "job", "organization"):
        assert VARIABLES[name]["allValue"] == ".*"
        assert VARIABLES[name]["current"]["value"] == ["$__all"]
        assert VARIABLES[name]["query"]["query"].endswith(f", {name})")


def test_rows_and_ids() -> None:
    """The rows are those that people look for, and ids are used once: links lead to them."""
    assert [one["title"] for one in EVERYTHING if one["type"] == "row"] == ROWS
    ids = [one["id"] for one in EVERYTHING]
    assert len(set(ids)) == len(ids)
    titles = [one["title"] for one in EVERYTHING]
    assert len(set(titles)) == len(titles)


def test_panels_lie_side_by_side() -> None:
    """None covers another or hangs over the edge, and each is below its row's title."""
    places = [one["gridPos"] for one in EVERYTHING]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for a, b in combinations(places, 2):
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        apart = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert beside or apart, (a, b)
    assert [place["y"] for place in places] == sorted(place["y"] for place in places)


@EACH
def test_a_panel_explains_itself(panel: dict[str, Any]) -> None:
    """It has a title, a sentence for people, a unit, and a legend that is no expression."""
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["type"] == "table" or all(one["legendFormat"] for one in panel["targets"])


@EACH
def test_a_panel_shows_what_is_there_and_was_chosen(panel: dict[str, Any]) -> None:
    """Its metrics and labels are in the catalogue, and it heeds the variables."""
    for expression in expressions(panel):
        assert problems(expression) == []
        for one in selectors(expression):
            assert {"namespace", "job"} <= one.labels
            assert ("organization" in one.possible) == ("organization" in one.labels)


@EACH
def test_a_legend_names_labels_that_are_left(panel: dict[str, Any]) -> None:
    """Or it would be empty."""
    for target in panel["targets"]:
        named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        groups = re.findall(r"by \(([^)]*)\)", target["expr"])
        assert named <= {label.strip() for group in groups for label in group.split(",")}


def test_every_metric_is_shown() -> None:
    """What is worth counting is worth looking at."""
    shown = {
        one.metric.name
        for panel in PANELS
        for expression in expressions(panel)
        for one in selectors(expression)
        if one.metric
    }
    assert shown == {metric.name for metric in CATALOGUE}
