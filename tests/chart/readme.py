"""The table of values in the chart's README, made from the comments of ``values.yaml``.

``python -m tests.chart.readme`` writes it. A comment that begins with ``# --`` tells the meaning of
the key below it; what lies inside a value that is told so needs no comment of its own.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from tests.chart.engine import CHART

VALUES = CHART / "values.yaml"
README = CHART / "README.md"
BEGIN = "<!-- values: python -m tests.chart.readme -->"
END = "<!-- end of values -->"
MARK = "# -- "
_KEY = re.compile(r"( *)([A-Za-z][A-Za-z0-9]*):( |$)")


@dataclass(frozen=True)
class Row:
    """A value by its dotted path, and what the comment above it says."""

    path: str
    meaning: str


def rows(text: str) -> Iterator[Row]:
    """Yield the values of the text that have a comment, in its order."""
    outer: list[tuple[int, str]] = []
    comment: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        key = _KEY.match(line)
        if stripped.startswith(MARK):
            comment = [stripped.removeprefix(MARK)]
        elif stripped.startswith("# ") and comment:
            comment.append(stripped.removeprefix("# "))
        elif key:
            depth = len(key[1])
            outer = [*(one for one in outer if one[0] < depth), (depth, key[2])]
            if comment:
                yield Row(".".join(name for _, name in outer), " ".join(comment))
            comment = []
        else:
            comment = []


def default(values: Any, path: str) -> str:
    """Return the default of a value, as it could be written in YAML."""
    for name in path.split("."):
        values = values[name]
    return json.dumps(values, ensure_ascii=False)


def table(text: str) -> str:
    """Return the table of the values that stand in the text of ``values.yaml``."""
    values = yaml.safe_load(text)
    lines = ["| value | default | meaning |", "|---|---|---|"]
    for row in rows(text):
        meaning = row.meaning.replace("|", "\\|")
        lines.append(f"| `{row.path}` | `{default(values, row.path)}` | {meaning} |")
    return "\n".join(lines)


def renewed(page: str, text: str) -> str:
    """Return a page with the table of this text between the two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table(text)}\n{END}{after}"


def main() -> None:
    """Write the table into the README."""
    page = README.read_text("utf-8")
    README.write_text(renewed(page, VALUES.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
