"""``python -m tests.metrics.table`` writes the table of ``docs/metrics.md`` anew."""

from pathlib import Path

from broker.metrics.catalogue import CATALOGUE, Metric

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
BEGIN = "<!-- table: written by python -m tests.metrics.table -->\n"
END = "<!-- end of the table -->"
HEAD = "| metric | type | labels | meaning |\n|---|---|---|---|\n"


def row(metric: Metric) -> str:
    """Return the line that documents a metric."""
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.type} | {labels} | {metric.meaning} |\n"


def table() -> str:
    """Return the whole table, in the catalogue's order."""
    return HEAD + "".join(row(metric) for metric in CATALOGUE)


def renewed(page: str) -> str:
    """Return the page with the table as it should be."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + table() + END + after


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text("utf-8")), "utf-8")
