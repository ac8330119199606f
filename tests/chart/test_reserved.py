"""What the chart sets, and every secret, has its value; the same by another way is refused."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from broker.settings import CATALOGUE
from tests.chart import engine
from tests.chart.engine import CHART, RefusedError
from tests.chart.rendered import render
from tests.chart.samples import EACH_FILE, MINIMAL, changed, load

SECRETS = [doc.name for doc in CATALOGUE if doc.secret]
DEFAULTS = load(CHART / "values.yaml")


def refusals(values: dict[str, Any]) -> list[str]:
    """Return the lines that say what is wrong with values."""
    with pytest.raises(RefusedError) as refused:
        engine.render(values)
    return [line for line in str(refused.value).splitlines() if line.startswith("- ")]


def about(lines: list[str], name: str) -> str:
    """Return the line about a name."""
    found = [line for line in lines if line.startswith(f"- {name} ")]
    assert found, f"{name} is taken without a word"
    return found[0]


def named_values(line: str) -> Iterator[str]:
    """Yield the values that a line tells to use instead."""
    told = re.search(r"use the value (.+)$", line)
    assert told, line
    yield from told[1].split(" or ")


def is_a_value(path: str) -> bool:
    """Tell whether the chart has a value of this path."""
    place: Any = DEFAULTS
    for name in path.split("."):
        if not isinstance(place, dict) or name not in place:
            return False
        place = place[name]
    return True


@EACH_FILE
def test_what_the_chart_sets_cannot_be_set_beside_it(path: Path) -> None:
    """By neither of the two ways; all such names are told at once."""
    values = load(path)
    extra = values.get("extraEnv", [])
    added = {*values.get("settings", {}), *(one["name"] for one in extra)}
    own = [name for name in render(values).env() if name not in added]
    more = [*extra, *({"name": name, "value": "x"} for name in own)]
    by_environment = refusals(values | {"extraEnv": more})
    by_settings = refusals(changed({f"settings.{name}": "x" for name in own}, values))
    for name in own:
        about(by_environment, name)
        about(by_settings, name)


@pytest.mark.parametrize("suffix", ["", "_FILE"])
def test_no_secret_is_taken_as_a_setting(suffix: str) -> None:
    """It would stand in the pod's specification; the value to use instead is named, and there."""
    names = [f"{name}{suffix}" for name in SECRETS]
    lines = refusals(changed({f"settings.{name}": "canary" for name in names}))
    assert "canary" not in str(lines)
    for name in names:
        for value in named_values(about(lines, name)):
            assert is_a_value(value), value


@pytest.mark.parametrize("doc", CATALOGUE, ids=lambda doc: doc.name)
def test_every_other_setting_is_taken(doc: Any) -> None:
    """Each setting of the broker has a value of the chart, or can be set by its name."""
    try:
        found = engine.render(changed({f"settings.{doc.name}": doc.default or "x"}))
    except RefusedError as error:
        lines = [line for line in str(error).splitlines() if line.startswith("- ")]
        for value in named_values(about(lines, doc.name)):
            assert is_a_value(value), value
    else:
        assert doc.name in found["canvas-token-broker/templates/deployment.yaml"]
        assert doc.name not in render(MINIMAL).env()
