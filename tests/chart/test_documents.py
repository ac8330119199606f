"""The values that docs/deployment.md shows are values that the chart takes."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from broker.settings import Settings
from tests.chart.kubelet import Read

PAGE = (Path(__file__).parents[2] / "docs" / "deployment.md").read_text("utf-8")
EXAMPLES = [
    yaml.safe_load(text)
    for text in re.findall(r"^```yaml\n(# values\n.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
]


def test_there_are_examples() -> None:
    """Each managed Redis that is named has one."""
    assert len(EXAMPLES) >= 10


@pytest.mark.parametrize("values", EXAMPLES)
def test_the_broker_takes_what_an_example_renders(values: dict[str, Any], settings: Read) -> None:
    """From the page through the chart to the broker's own reading of its settings."""
    assert isinstance(settings(values), Settings)
