"""Medians, spreads and percentiles."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Spread:
    """What several rounds gave: the middle one, and the two ends."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """Return the spread of at least one value."""
        ordered = sorted(values)
        return cls(statistics.median(ordered), ordered[0], ordered[-1])

    def shown(self, digits: int = 0, scale: float = 1.0) -> str:
        """Return it for people: the median, and the ends where there are any."""
        median, least, most = (
            f"{value * scale:,.{digits}f}" for value in (self.median, self.least, self.most)
        )
        return median if least == most else f"{median} ({least}-{most})"


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Return the ratio of two candidates, round by round: what slows both in one round falls out.

    A round in which the other one gave nothing counts as 0.
    """
    pairs = zip(ours, theirs, strict=True)
    return Spread.of(one / other if other else 0.0 for one, other in pairs)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that ``percent`` of all values do not exceed; 0 of none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    place = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(place) - 1)]
