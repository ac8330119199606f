"""What happened, as a Markdown table: a line for each fault, rounds added up."""

from collections.abc import Iterable, Iterator

from tests.chaos.judge import Row

HEADINGS = (
    "fault",
    "requests",
    "200",
    "503",
    "other",
    "cut off",
    "hung in a stopped process",
    "slowest answer (s)",
    "expired tokens served",
    "presented twice",
    "upstream calls",
    "well again (s)",
)


def add_up(rows: Iterable[Row]) -> list[Row]:
    """Return one row for each fault, in the order of their names."""
    found: dict[str, Row] = {}
    for row in rows:
        found.setdefault(row.fault, Row(row.fault, row.harm)).add(row)
    return sorted(found.values(), key=lambda row: row.fault)


def total(rows: Iterable[Row]) -> Row:
    """Return all rows as one."""
    result = Row("all")
    for row in rows:
        result.add(row)
    return result


def markdown(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of the table, the sum of all last."""
    lines = add_up(rows)
    yield _line(HEADINGS)
    yield _line(["---", *("--:" for _ in HEADINGS[1:])])
    for row in [*lines, total(lines)]:
        yield _line(cells(row))


def cells(row: Row) -> list[str]:
    """Return what stands in the row's columns."""
    counts = [row.requests, row.ok, row.unavailable, row.other, row.cut_off, row.stopped]
    slowest, well = f"{row.slowest:.2f}", "never" if row.recovery is None else f"{row.recovery:.1f}"
    proofs = [row.expired, row.presented_twice, row.calls]
    return [row.fault, *map(str, counts), slowest, *map(str, proofs), well]


def _line(found: Iterable[str]) -> str:
    return f"| {' | '.join(found)} |"
