"""The README says what ``values.yaml`` says, and ``values.yaml`` explains every value."""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.chart.engine import CHART
from tests.chart.readme import BEGIN, END, README, VALUES, renewed, rows, table

TEXT = VALUES.read_text("utf-8")
PAGE = README.read_text("utf-8")
SAMPLE = """\
# -- Number of them,
# and why.
replicas: 2
# No meaning.
plain: 1

tls:
  # -- Either | or.
  secret: ""
  # -- All of it.
  map:
    inner: {x: 1}
#  example: no value
"""


def leaves(values: dict[str, Any], path: str = "") -> Iterator[str]:
    """Yield the dotted path of every value."""
    for name, value in values.items():
        here = f"{path}.{name}" if path else name
        if isinstance(value, dict) and value:
            yield from leaves(value, here)
        else:
            yield here


def test_the_table_is_the_one_of_the_values() -> None:
    """``python -m tests.chart.readme`` writes it."""
    assert renewed(PAGE, TEXT) == PAGE
    assert (PAGE.count(BEGIN), PAGE.count(END)) == (1, 1)


def test_every_value_is_explained() -> None:
    """By a comment of its own, or of what it is part of."""
    told = [row.path for row in rows(TEXT)]
    assert len(set(told)) == len(told)
    for leaf in leaves(yaml.safe_load(TEXT)):
        assert any(f"{leaf}.".startswith(f"{path}.") for path in told), leaf


def test_a_meaning_is_a_sentence() -> None:
    """It begins with a capital or a name, and ends."""
    for row in rows(TEXT):
        assert re.match(r"[A-Z`]", row.meaning), row.path
        assert row.meaning.endswith((".", "…")), row.path


def test_how_the_table_is_made() -> None:
    """From the comments with the mark alone, wherever they stand."""
    assert table(SAMPLE).splitlines()[2:] == [
        "| `replicas` | `2` | Number of them, and why. |",
        '| `tls.secret` | `""` | Either \\| or. |',
        '| `tls.map` | `{"inner": {"x": 1}}` | All of it. |',
    ]


def test_a_table_out_of_date_is_seen() -> None:
    """A changed default or meaning changes the page; the text around it stays."""
    assert renewed(PAGE, TEXT.replace("replicaCount: 2", "replicaCount: 3")) != PAGE
    assert renewed(PAGE, SAMPLE).partition(BEGIN)[0] == PAGE.partition(BEGIN)[0]
    assert renewed(PAGE, SAMPLE).partition(END)[2] == PAGE.partition(END)[2]


def test_what_the_page_names_is_there() -> None:
    """Files that are linked, and those that the commands take."""
    named = re.findall(r"\]\(([^)#\s]+)[^)]*\)", PAGE) + re.findall(r"-f \S*?/(values-\S+)", PAGE)
    assert named
    for name in named:
        assert (CHART / name).exists(), name
