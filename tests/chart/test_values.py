"""Values and templates know each other: no value is dead, and none is read that is not there."""

import re
from typing import Any

from tests.chart.engine import CHART
from tests.chart.readme import VALUES, rows
from tests.chart.samples import FILES, SELDOM, changed, load

TEMPLATES = "\n".join(
    path.read_text("utf-8") for path in (CHART / "templates").rglob("*.*") if path.is_file()
)
DEFAULTS = load(VALUES)
TOLD = [row.path for row in rows(VALUES.read_text("utf-8"))]


def is_there(path: list[str]) -> bool:
    """Tell whether the chart's own values have this path."""
    place: Any = DEFAULTS
    for name in path:
        if isinstance(place, dict) and not place:
            return True
        if not isinstance(place, dict) or name not in place:
            return False
        place = place[name]
    return True


def is_set(path: str, values: dict[str, Any]) -> bool:
    """Tell whether values set a path."""
    place: Any = values
    for name in path.split("."):
        if not isinstance(place, dict) or name not in place:
            return False
        place = place[name]
    return True


def test_every_value_is_read() -> None:
    """By its name, in some template."""
    read = set(re.findall(r"\.([A-Za-z][A-Za-z0-9]*)", TEMPLATES))
    assert [path for path in TOLD if path.split(".")[-1] not in read] == []


def test_every_value_that_is_read_is_there() -> None:
    """A misspelt one would read as empty."""
    read = set(re.findall(r"\.Values\.([A-Za-z0-9.]*[A-Za-z0-9])", TEMPLATES))
    assert len(read) > 50
    assert [path for path in sorted(read) if not is_there(path.split("."))] == []


def test_every_value_is_set_somewhere() -> None:
    """In a file, or in what ``test_schemas.py`` sets beside them."""
    samples = [*map(load, FILES), changed(SELDOM)]
    unset = [path for path in TOLD if not any(is_set(path, values) for values in samples)]
    assert unset == []
