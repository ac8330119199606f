"""What happened during one fault, and what of it is a violation of the protocol."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus

from tests.chaos.callers import CALLERS, Observation

REQUEST_LIMIT = 4.5
RECOVERY_LIMIT = 75.0
CALLS_PER_SECOND = 2.0
"""An attempt makes at most two calls, and there is at most one attempt a second."""
CALLS_AT_ONCE = 4
"""So many may lie close together: two attempts, one at each end of a short fault."""


_ANSWERS = ("requests", "ok", "unavailable", "other", "cut_off", "stopped", "refused", "expired")
_SUMS = (*_ANSWERS, "presented_twice", "calls", "crashes", "seconds")


class Harm(Enum):
    """What a fault does to processes, and so to the requests that they are answering."""

    NONE = "none"
    DEATH = "a process dies: its connections are cut off"
    STOP = "a process is stopped: what it is answering waits"


@dataclass
class Row:
    """One fault, from its beginning until all was well again; durations in seconds."""

    fault: str
    harm: Harm = Harm.NONE
    requests: int = 0
    ok: int = 0
    unavailable: int = 0
    other: int = 0
    cut_off: int = 0
    stopped: int = 0
    refused: int = 0
    expired: int = 0
    slowest: float = 0.0
    presented_twice: int = 0
    calls: int = 0
    crashes: int = 0
    seconds: float = 0.0
    recovery: float | None = 0.0
    complaints: list[str] = field(default_factory=list)

    def count(self, observations: Iterable[Observation]) -> None:
        """Add answers; those that a stopped process gave late are counted apart."""
        for one in observations:
            self.requests += 1
            self.expired += one.expired
            self.refused += one.refused
            if self.harm is Harm.STOP and one.seconds > REQUEST_LIMIT:
                self.stopped += 1
                continue
            self.slowest = max(self.slowest, one.seconds)
            self.ok += one.status == HTTPStatus.OK
            self.unavailable += one.status == HTTPStatus.SERVICE_UNAVAILABLE
            self.cut_off += one.status == 0
            expected = (0, HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE)
            self.other += one.status not in expected

    def add(self, other: "Row") -> None:
        """Add the same fault of another round; of times, the worst counts."""
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.slowest = max(self.slowest, other.slowest)
        times = self.recovery, other.recovery
        self.recovery = None if None in times else max(one for one in times if one is not None)
        self.complaints = [*self.complaints, *other.complaints]

    def violations(self) -> list[str]:
        """Return a sentence for each thing that must not happen."""
        return [f"{self.fault}: {sentence}" for sentence in _sentences(self)]


def _sentences(row: Row) -> Iterator[str]:
    yield from row.complaints
    yield from _wrong_answers(row)
    if row.presented_twice:
        yield f"{row.presented_twice} refresh tokens were presented twice"
    if row.calls > CALLS_AT_ONCE + CALLS_PER_SECOND * row.seconds:
        yield f"{row.calls} upstream calls in {row.seconds:.0f} s"
    if row.crashes:
        yield f"{row.crashes} unforeseen exceptions in the log"
    if row.recovery is None or row.recovery > RECOVERY_LIMIT:
        yield f"no fresh token and passing health within {RECOVERY_LIMIT:.0f} s"


def _wrong_answers(row: Row) -> Iterator[str]:
    if not row.ok:
        yield "nobody got a token at all"
    if row.expired:
        yield f"{row.expired} expired tokens were served"
    if row.refused:
        yield f"{row.refused} requests got a 503 while a token was valid"
    if row.other:
        yield f"{row.other} answers were neither 200 nor 503"
    if row.cut_off and row.harm is not Harm.DEATH:
        yield f"{row.cut_off} requests got no answer though no process died"
    if row.stopped > CALLERS:
        yield f"{row.stopped} requests waited for the stopped process, more than one a caller"
    if row.slowest > REQUEST_LIMIT:
        yield f"an answer took {row.slowest:.1f} s"
