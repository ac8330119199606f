"""Watches a run. Each rule is an invariant of ``refresh-protocol.md``, checked at every step."""

import re
from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from broker.limits import Limits, Rate
from broker.tokens import Kind, Record
from tests.memory_store.shelf import Shelf
from tests.simulation.scheduler import Process, Scheduler

LIMITS = Limits()
REQUEST_LIMIT = 4.5
SETTLE = 2.5
"""Seconds that news may take to every process: two ticks, and a slow Redis operation."""
LINES = 60
SECRETS = re.compile(r"eyJ|\b[0-9a-f]{32}\b|[0-9a-f]{64}")
"""An access token, a refresh token, a Consumer."""
CALLS_OF_AN_ATTEMPT = 2
WINDOWS = (60.0, 3600.0)
"""Seconds within which the brake bounds the calls of a process (invariant 18)."""
_Windows: TypeAlias = "defaultdict[tuple[str, str], deque[float]]"
FIRST_LOOK = 0.05
"""Seconds after which a new process has read what Redis holds."""


@dataclass(frozen=True)
class Violation:
    """An invariant that did not hold."""

    invariant: int
    sentence: str
    at: float


@dataclass
class Issued:
    """What Canvas gave out: one answer."""

    number: int
    organization: str
    consumer: str
    expires: float
    refresh_token: str


class Life(Protocol):
    """Tells whether Canvas would still take a token, revocations aside."""

    def __call__(self, access_token: str) -> bool:
        """Return whether its expiry lies ahead by Canvas's own clock."""
        ...


@dataclass
class Watch:
    """Collects violations, what was injected, and a readable timeline."""

    scheduler: Scheduler
    violations: list[Violation] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    calls: Counter[Kind] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    timeline: list[str] = field(default_factory=list)
    issued: dict[str, Issued] = field(default_factory=dict)
    allow_two_in_flight: bool = False
    hostile: bool = False
    """Somebody writes to Redis: what a writer can break by nature is not looked at."""
    troubled: set[str] = field(default_factory=set)
    _presented: set[str] = field(default_factory=set)
    _in_flight: defaultdict[str, list[Process]] = field(default_factory=lambda: defaultdict(list))
    _served: dict[tuple[str, str], int] = field(default_factory=dict)
    _stored: dict[tuple[str, str], int] = field(default_factory=dict)
    _wiped: float | None = None
    at_next_call: list[Callable[[], None]] = field(default_factory=list)
    calls_of: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    _calls_by: _Windows = field(default_factory=lambda: defaultdict(deque))
    _tokens_by: _Windows = field(default_factory=lambda: defaultdict(deque))

    def note(self, line: str) -> None:
        """Write a line of the timeline."""
        self.timeline.append(f"{self.scheduler.now:10.3f}  {line}")

    def broken(self, invariant: int, sentence: str) -> None:
        """Write down a violation."""
        self.note(f"VIOLATION of invariant {invariant}: {sentence}")
        self.violations.append(Violation(invariant, sentence, self.scheduler.now))

    def inject(self, fault: str) -> None:
        """Count a fault."""
        self.faults[fault.split(maxsplit=1)[0]] += 1
        self.note(f"fault: {fault}")

    def call_began(
        self, process: Process, organization: str, kind: Kind, token: str | None
    ) -> None:
        """Check 2, 3, 12 and 18 when a call is sent; a crash ends its process's calls."""
        self.calls[kind] += 1
        self._braked(self._calls_by[process.name, organization.split(maxsplit=1)[0]], LIMITS.calls)
        times = self.calls_of[organization]
        times.append(self.scheduler.now)
        many = len(times) > CALLS_OF_AN_ATTEMPT and times[-1 - CALLS_OF_AN_ATTEMPT] > times[-1] - 1
        if many and not self.hostile:
            self.broken(12, f"{organization} was tried more than once within a second")
        self.note(f"{process.name}: {organization} {kind} {(token or '')[:6]}")
        if token is not None:
            if token in self._presented and not self.hostile:
                self.broken(2, f"refresh token {token[:6]} was presented again by {process.name}")
            self._presented.add(token)
        if process in self._in_flight[organization]:
            self.broken(3, f"{process.name} has two calls in flight for {organization}")
        self._in_flight[organization].append(process)
        for act in self.at_next_call:
            act()
        self.at_next_call.clear()
        flying = sum(one.alive for one in self._in_flight[organization])
        if flying > 1 + (self.allow_two_in_flight or self._knows_nothing(process)):
            if self.hostile:
                return
            self.broken(3, f"{flying} calls in flight for {organization}")

    def _braked(self, times: deque[float], rate: Rate) -> None:
        """Check 18 when something is done that the brake bounds."""
        now = self.scheduler.now
        times.append(now)
        while times[0] < now - WINDOWS[-1]:
            times.popleft()
        for seconds in WINDOWS:
            number = len(times) - bisect_left(times, now - seconds)
            if number > rate.most(seconds):
                self.broken(18, f"{number} calls within {seconds:.0f} s")

    def renewed(self, process: str, organization: str) -> None:
        """Check 18 when a process has a new token that is no failure."""
        self._braked(self._tokens_by[process, organization], LIMITS.tokens)

    def _knows_nothing(self, process: Process) -> bool:
        """Tell whether a process was born into a Redis that had just lost everything.

        Two faults at once: neither it nor Redis can know of a call that is in flight.
        """
        loss = self._wiped
        if loss is None or self.scheduler.now - loss > SETTLE or not process.born:
            return False
        return process.born >= loss - FIRST_LOOK

    def talking(self) -> list[Process]:
        """Return the living processes that have a call in flight."""
        return [one for flying in self._in_flight.values() for one in flying if one.alive]

    def call_ended(self, process: Process, organization: str) -> None:
        """Take a call out of those in flight."""
        self._in_flight[organization].remove(process)

    def not_presented(self, token: str) -> None:
        """Take back a presentation that definitely did not happen."""
        self._presented.discard(token)

    def gave(self, access_token: str, issued: Issued) -> None:
        """Remember what Canvas gave out."""
        self.issued[access_token] = issued

    def served(self, process: str, organization: str, token: str, generation: int) -> None:
        """Check 1 and 14 when a caller is given a token."""
        issued = self.issued[token]
        if issued.organization != organization:
            self.broken(16, f"{process} served {issued.organization}'s token for {organization}")
        if issued.expires <= self.scheduler.now:
            late = self.scheduler.now - issued.expires
            self.broken(1, f"{process} served a token that died {late:.1f} s ago")
        key = (process, organization)
        if generation < self._served.get(key, 0):
            self.broken(14, f"{process} went back from {self._served[key]} to {generation}")
        self._served[key] = generation

    def stored(self, key: tuple[str, str], shelf: Shelf) -> None:
        """Check 5, 7 and 16 when Redis has carried out a script."""
        if key[0] not in self.troubled and shelf.backoff is not None and shelf.backoff.failures:
            self.broken(16, f"{key[0]} backs off ({shelf.backoff.failure}) for another's fault")
        record: object = shelf.record
        if isinstance(record, Record):
            issued = self.issued[record.access_token.reveal()]
            own = record.refresh_token
            if own is not None and issued.refresh_token != own.reveal():
                self.broken(7, f"the record of {key[0]} mixes two answers")
        if not self.hostile:
            self._generation_stored(key, shelf.generation)

    def _generation_stored(self, key: tuple[str, str], generation: int) -> None:
        before = self._stored.get(key, 0)
        if generation < before:
            self.broken(5, f"the stored generation of {key[0]} went back")
        if generation != before:
            self.note(f"redis: {key[0]} is at ...{generation % 10**9}")
        self._stored[key] = generation

    def lost_writes(self, *, all_of_them: bool = False) -> None:
        """Forget what Redis held: a failover or a flush may go back."""
        self._stored.clear()
        if all_of_them:
            self._wiped = self.scheduler.now

    def told(self, text: str) -> None:
        """Check 15: what is told to callers or operators holds no token and no key."""
        if SECRETS.search(text):
            self.broken(15, "a secret was told")

    def took(self, process: str, seconds: float) -> None:
        """Check 10 when a request ends."""
        if seconds > REQUEST_LIMIT:
            self.broken(10, f"a request to {process} took {seconds:.2f} s")

    def story(self) -> str:
        """Return the timeline up to the first violation, or its end."""
        marks = [n for n, line in enumerate(self.timeline) if "VIOLATION" in line]
        end = marks[0] + 1 if marks else len(self.timeline)
        return "\n".join(self.timeline[max(0, end - LINES) : end])
