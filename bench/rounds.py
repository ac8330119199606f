"""Several candidates, round by round in turn: what else the machine does hits them alike."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from bench.engine import Order
from bench.load import Load, Outcome
from bench.processes import cpu_seconds
from bench.report import WrongAnswer
from bench.stats import Spread

HEADINGS = ("", "requests/s", "CPU µs/request", "p50 ms", "p99 ms", "slowest ms")
WARM = 0.3
MET = 2
"""Times that a request was sent when it counts: the first two may go other ways."""
_MICRO = 1e6
_MILLI = 1e3


class Server(Protocol):
    """What answers: where, and in which processes."""

    port: int

    def workers(self) -> list[int]:
        """Return the process ids of its workers."""
        ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """What is measured: a server and what it is asked.

    ``check`` raises :class:`~bench.report.WrongAnswer`; it comes before each run. ``during`` is
    what else goes on while it is measured. ``authority`` is as :class:`~bench.engine.Order` has it.
    """

    name: str
    server: Server
    requests: list[bytes]
    check: Callable[[], None]
    during: Callable[[], AbstractContextManager[object]] = nullcontext
    authority: str | None = None

    def order(self, connections: int, seconds: float) -> Order:
        """Return what the load is to do; the connections are made in seconds that do not count."""
        port, authority = self.server.port, self.authority
        return Order(port, self.requests, connections, seconds, WARM, authority=authority)


@dataclass(frozen=True, slots=True)
class Run:
    """One candidate in one round; CPU is seconds of its workers for each request answered."""

    outcome: Outcome
    cpu: float


@dataclass(slots=True)
class Runs:
    """All rounds of one candidate."""

    name: str
    runs: list[Run] = field(default_factory=list)

    @property
    def rates(self) -> list[float]:
        """Return the requests per second of each round."""
        return [run.outcome.rate for run in self.runs]

    @property
    def p99s(self) -> list[float]:
        """Return the 99th percentile of each round, in seconds."""
        return [run.outcome.p99 for run in self.runs]

    @property
    def cpus(self) -> list[float]:
        """Return the processor time for a request in each round, in seconds."""
        return [run.cpu for run in self.runs]

    def row(self) -> list[str]:
        """Return its row of the table."""
        outcomes = [run.outcome for run in self.runs]
        return [
            self.name,
            Spread.of(self.rates).shown(),
            Spread.of(self.cpus).shown(0, _MICRO),
            Spread.of(one.p50 for one in outcomes).shown(1, _MILLI),
            Spread.of(self.p99s).shown(1, _MILLI),
            Spread.of(one.slowest for one in outcomes).shown(0, _MILLI),
        ]

    def figures(self) -> list[dict[str, Any]]:
        """Return each round for programs."""
        return [asdict(run) for run in self.runs]


def run_rounds(
    candidates: Sequence[Candidate], load: Load, rounds: int, connections: int, seconds: float
) -> list[Runs]:
    """Measure each candidate once in each round."""
    found = [Runs(one.name) for one in candidates]
    for _ in range(rounds):
        for candidate, runs in zip(candidates, found, strict=True):
            runs.runs.append(run_once(candidate, load, connections, seconds))
    return found


def meet(candidates: Sequence[Candidate], load: Load, connections: int) -> None:
    """Send each request of each candidate ``MET`` times at least, however slow the machine is."""
    for one in candidates:
        begun, wanted = 0, MET * len(one.requests)
        while begun < wanted:
            place = begun % len(one.requests)
            turned = replace(one, requests=one.requests[place:] + one.requests[:place])
            begun += run_once(turned, load, connections, WARM).outcome.completed


def run_once(candidate: Candidate, load: Load, connections: int, seconds: float) -> Run:
    """Check a candidate, then measure it; raises :class:`~bench.report.WrongAnswer`."""
    candidate.check()
    pids = candidate.server.workers()
    with candidate.during():
        before = cpu_seconds(pids)
        outcome = load.run(candidate.order(connections, seconds))
        spent = cpu_seconds(pids) - before
    if outcome.failures or not outcome.completed:
        raise WrongAnswer(f"{candidate.name}: {outcome.failures or 'nothing was answered'}")
    return Run(outcome, spent / outcome.completed)
