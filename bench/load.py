"""The load of a closed loop: each connection asks again as soon as it has its answer."""

from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Protocol

from bench.engine import Order, Samples
from bench.generator import Generator
from bench.stats import percentile


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gave; ``completed`` are all that were answered, latencies are in seconds."""

    rate: float
    p50: float
    p99: float
    slowest: float
    completed: int
    failures: dict[str, int] = field(default_factory=dict)


class Load(Protocol):
    """Keeps connections busy, each with one request at a time."""

    def run(self, order: Order) -> Outcome:
        """Carry out an order, its connections shared by all processes there are."""
        ...


class ProcessesLoad:
    """The engine in as many processes as it has cores.

    They are started once: an interpreter's start would be part of a short run.
    """

    def __init__(self, cores: frozenset[int], processes: int, stack: ExitStack) -> None:
        self._generators = [stack.enter_context(Generator(cores)) for _ in range(processes)]

    def run(self, order: Order) -> Outcome:
        """Carry out an order."""
        count, requests = len(self._generators), order.requests
        for number, generator in enumerate(self._generators):
            turned = requests[number * len(requests) // count :] + requests
            share = max(1, len(range(number, order.connections, count)))
            generator.begin(replace(order, requests=turned, connections=share))
        return outcome([one.result() for one in self._generators], order.seconds)


def outcome(samples: list[Samples], seconds: float) -> Outcome:
    """Join what several processes measured at the same time."""
    latencies = [latency for one in samples for latency in one.seconds]
    failures = sum((Counter(one.failures) for one in samples), Counter[str]())
    return Outcome(
        rate=sum(one.counted for one in samples) / seconds,
        p50=percentile(latencies, 50),
        p99=percentile(latencies, 99),
        slowest=max(latencies, default=0.0),
        completed=sum(sum(one.statuses.values()) for one in samples),
        failures=dict(failures),
    )
