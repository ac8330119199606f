"""The report: a row for each scenario, and what failed below."""

import datetime as dt
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tests.node.outcomes import Outcome, told

HEAD = ("scenario", "requests", "failed", "slowest", "ready after", "load", "as it must be")
MOST_TOLD = 12


@dataclass(frozen=True)
class Row:
    """One scenario: what was seen, in seconds, and why it is not as it must be."""

    name: str
    outcome: Outcome
    ready: Sequence[float] = ()
    problems: Sequence[str] = ()
    notes: Sequence[str] = ()
    began: float = 0.0
    machine_load: float = field(default_factory=lambda: os.getloadavg()[0])

    @property
    def is_good(self) -> bool:
        """Tell whether it is as it must be."""
        return not self.problems

    def cells(self) -> list[str]:
        """Return the cells of the table."""
        seen, failed = self.outcome, len(self.outcome.failures)
        return [
            self.name,
            str(seen.requests) if seen.requests else "",
            f"{failed}: {told(seen.kinds())}" if failed else "0" if seen.requests else "",
            f"{seen.slowest:.2f} s" if seen.requests else "",
            f"{max(self.ready):.1f} s" if self.ready else "",
            f"{self.machine_load:.1f}",
            "yes" if self.is_good else f"**no**: {'; '.join(self.problems)}",
        ]

    def details(self) -> list[str]:
        """Return a line for each note, and for each failure, with its time since the event."""
        lines = [f"- {note}" for note in self.notes]
        failures = sorted(self.outcome.failures, key=lambda one: one.at)
        for one in failures[:MOST_TOLD]:
            idle = f", idle for {one.idle:.1f} s before" if one.idle is not None else ""
            lines.append(
                f"- {one.at - self.began:+.1f} s, {one.group}: {one.words}"
                f" after {one.took:.2f} s{idle}"
            )
        if left := failures[MOST_TOLD:]:
            lines.append(f"- and {len(left)} more, the last at {left[-1].at - self.began:+.1f} s")
        return lines


@dataclass
class Rows:
    """All rows of a run."""

    title: str
    rows: list[Row] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        """Return the report."""
        parts = [self.title, table(HEAD, (row.cells() for row in self.rows)), *self.tables]
        detailed = [row for row in self.rows if row.details()]
        parts += ["\n".join([f"**{row.name}**", "", *row.details()]) for row in detailed]
        return "\n\n".join(parts) + "\n"

    def is_good(self) -> bool:
        """Tell whether each is as it must be."""
        return all(row.is_good for row in self.rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [f"| {' | '.join(row)} |" for row in ([head, ["---"] * len(head)])]
    lines += [f"| {' | '.join(map(plain, row))} |" for row in rows]
    return "\n".join(lines)


def plain(cell: str) -> str:
    """Return the text of a cell, in which nothing ends it."""
    return " ".join(cell.replace("|", "/").split())


def title(versions: dict[str, str], revision: str) -> str:
    """Return what was tried, with what and when."""
    programs = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, commit {revision}: {programs}"
