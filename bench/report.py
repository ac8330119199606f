"""What was found, as Markdown for people and as JSON for programs."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from bench.machine import Machine
from bench.stats import Spread


class WrongAnswer(Exception):  # noqa: N818  # it says what was found, not what failed here
    """Something answered what it must not, or did not answer: the figures would mean nothing."""


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to reach: what was measured, and whether that is it; None is not judged."""

    what: str
    measured: str
    wanted: str
    reached: bool | None

    def row(self) -> list[str]:
        """Return its row of the table."""
        verdict = {True: "yes", False: "**no**", None: "not judged"}[self.reached]
        return [self.what, self.wanted, self.measured, verdict]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one part found: its table, what is to be reached, and what must be said of both."""

    part: str
    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    targets: Sequence[Target] = ()
    notes: Sequence[str] = ()
    figures: dict[str, Any] = field(default_factory=dict)
    """The raw figures, for programs."""

    def unjudged(self) -> Self:
        """Return it without a verdict, for figures that were taken in passing."""
        return replace(self, targets=[replace(one, reached=None) for one in self.targets])


def at_least(what: str, spread: Spread, least: float, digits: int = 2) -> Target:
    """Return a target that the median must not be below."""
    return Target(what, spread.shown(digits), f">= {least:g}", spread.median >= least)


def at_most(what: str, spread: Spread, most: float, unit: str = "", digits: int = 2) -> Target:
    """Return a target that the median must not be above."""
    end = f" {unit}" if unit else ""
    return Target(what, spread.shown(digits) + end, f"<= {most:g}{end}", spread.median <= most)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def markdown(machine: Machine, how: str, findings: Sequence[Finding]) -> str:
    """Return the whole report."""
    parts = [machine.shown() + ".", how, *machine.warnings()]
    targets = [one.row() for finding in findings for one in finding.targets]
    if targets:
        parts.append(table(("what", "to reach", "measured", "reached"), targets))
    for finding in findings:
        parts += [f"### {finding.title}", table(finding.headings, finding.rows), *finding.notes]
    return "\n\n".join(parts)


def as_json(machine: Machine, how: str, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the same for programs, with the raw figures."""
    return {
        "machine": asdict(machine),
        "how": how,
        "findings": [
            {**asdict(one), "targets": [asdict(target) for target in one.targets]}
            for one in findings
        ],
    }
