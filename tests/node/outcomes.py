"""What callers saw while something happened, and whether it is as good as it must be."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

ENOUGH = 2000
READY_LIMIT_S = 5.0
IN_FLIGHT = ("request", "response")


@dataclass(frozen=True)
class Failure:
    """One request without a token: when it began and how long it took, in seconds."""

    at: float
    took: float
    group: str
    phase: str
    kind: str
    idle: float | None = None

    @property
    def ended(self) -> float:
        """Return when it was over."""
        return self.at + self.took

    @property
    def words(self) -> str:
        """Return its kind with the phase that it was in; an answer names itself."""
        return self.kind if self.phase == "answer" else f"{self.kind} ({self.phase})"


@dataclass
class Outcome:
    """All that the load program told: counts, seconds, and each failure."""

    requests: int = 0
    slowest: float = 0.0
    failures: list[Failure] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)

    def read(self, line: dict[str, Any]) -> None:
        """Take one line of it."""
        if "failure" in line:
            self.failures.append(Failure(**line["failure"]))
        elif "progress" in line:
            self.requests = line["progress"]
        elif "summary" in line:
            self.summary = line["summary"]
            self.requests = self.summary["requests"]
            self.slowest = self.summary["slowest"]

    def kinds(self) -> Counter[str]:
        """Return how many failures of each kind there are."""
        return Counter(one.words for one in self.failures)

    def outside(self, began: float, ended: float) -> list[Failure]:
        """Return the failures that began before or after a span of time."""
        return [one for one in self.failures if not began <= one.at <= ended]


def told(kinds: Counter[str]) -> str:
    """Return kinds and their numbers in words."""
    return ", ".join(f"{number} {kind}" for kind, number in kinds.most_common()) or "none"


def none_failed(outcome: Outcome, at_least: int = ENOUGH) -> Iterator[str]:
    """Yield why it is not so that none of enough requests failed."""
    if outcome.failures:
        yield f"{len(outcome.failures)} of {outcome.requests} requests failed"
    if outcome.requests < at_least:
        yield f"{outcome.requests} requests are fewer than {at_least}"


def only_in_flight_failed(outcome: Outcome, killed: float) -> Iterator[str]:
    """Yield why it is not so that only requests in flight at a moment failed.

    In flight was what began before it, had been sent and had no answer.
    """
    others = [one for one in outcome.failures if not was_in_flight(one, killed)]
    if others:
        kinds = told(Counter(one.words for one in others))
        yield f"{len(others)} failed that were not in flight: {kinds}"


def was_in_flight(failure: Failure, moment: float) -> bool:
    """Tell whether a request had been sent at a moment, and was unanswered."""
    return failure.phase in IN_FLIGHT and failure.at <= moment <= failure.ended


def soon_ready(seconds: Iterable[float], limit: float = READY_LIMIT_S) -> Iterator[str]:
    """Yield why it is not so that each was ready within the limit."""
    late = [one for one in seconds if one > limit]
    if late:
        yield f"ready after {max(late):.1f} s, more than {limit:.0f} s"
