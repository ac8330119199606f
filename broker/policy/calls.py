"""The permits of this process to call Canvas, of those that the whole fleet has (ADR 50).

::

    tick, or a flight ends        asks for as many as are wanted, not before Redis said
    a flight that calls           takes one, waits for its instant, takes the lease, calls
    its end                       gives it up, or back where there was no call
    a tick with nothing to do     tells that fewer are held
"""

import math
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from broker.clock import Clock
from broker.errors import StoreUnavailableError
from broker.failure_kinds import FailureKind
from broker.fleet_calls import CallLimits, CallsGranted, CallsWanted, FleetCalls
from broker.policy.pause import Pause

if TYPE_CHECKING:
    from broker.policy.organization import Organization

KEPT_S = 0.5
"""Seconds after its instant until which a permit that nobody has taken is kept."""
FOR_CALLERS = -1
"""Says in place of a number to spare that callers wait."""
KEPT_FOR_CALLERS = 8
"""One in so many is left to organizations that a caller waits for."""
AT_ONCE = 32
"""Attempts of one process at once that nobody waits for.

It is fewer than a process has threads for, so that a caller's own attempt finds one.
"""
SLOW_SHARE = 2
"""One in so many may be in the hands of organizations whose last call hung."""
_SLOW = frozenset({FailureKind.TIMEOUT, FailureKind.CONNECT_TIMEOUT})


def is_slow(pause: Pause | None) -> bool:
    """Tell whether the last call hung, of those that an organization made anywhere."""
    return pause is not None and pause.failure in _SLOW


def wants_call(organization: "Organization", now: float) -> bool:
    """Tell whether Canvas is to be called, as far as is known."""
    return organization.is_due(now) and organization.may_attempt(now)


@dataclass(slots=True)
class Permit:
    """To make one attempt, from the monotonic instant ``since`` on.

    ``slow``: for an organization whose last call hung. ``calls`` made with it are counted.
    """

    since: float
    slow: bool = False
    calls: int = 0
    ended: bool = False


@dataclass(slots=True)
class _Told:
    """What Redis is told at the next question."""

    made: int = 0
    refused: int = 0
    extra: int = 0


@dataclass(slots=True)
class Calls:
    """Permits that are held here, and how to get more; ``worker`` names this process.

    ``contended``: more organizations want a permit than have one, so that nobody keeps a place in
    vain. Where Redis does not answer, it goes on by the part that it was told last (ADR 50).
    """

    fleet: FleetCalls
    clock: Clock
    worker: str
    allowed: CallLimits = field(default_factory=CallLimits)
    part: int = 1
    contended: bool = False
    _pool: deque[Permit] = field(default_factory=deque)
    _taken: int = 0
    _slow: int = 0
    _number: int = 0
    _reported: int = 0
    _ask_at: float = float("-inf")
    _alone_at: float = float("-inf")
    _told: _Told = field(default_factory=_Told)
    _asking: threading.Lock = field(default_factory=threading.Lock)
    _counting: threading.Lock = field(default_factory=threading.Lock)

    @property
    def held(self) -> int:
        """How many permits this process has, taken or not."""
        return self._taken + len(self._pool)

    @property
    def ready(self) -> int:
        """How many may be taken now."""
        return len(self._pool)

    @property
    def slow_room(self) -> int:
        """How many more organizations whose last call hung may have one."""
        return max(0, max(1, min(self.part, AT_ONCE) // SLOW_SHARE) - self._slow)

    def ask(self, wants: int, *, for_callers: bool = False, at_once: bool = False) -> int:
        """Ask Redis for more permits; return how many came.

        Who finds another thread at it leaves it to that one; ``at_once`` asks however short ago
        that was done. ``for_callers``: those that are kept for them may be given, too.
        """
        if not at_once and self.clock.monotonic() < self._ask_at:
            return 0
        if not self._asking.acquire(blocking=False):
            return 0
        try:
            return self._ask(
                wants, FOR_CALLERS if for_callers else self.allowed.in_flight // KEPT_FOR_CALLERS
            )
        finally:
            self._asking.release()

    def ask_for(self, lacking: int, in_line: int) -> bool:
        """Ask for what callers lack, else for those in line as well; tell whether more came."""
        wanted = min(lacking, AT_ONCE) - self.ready
        if wanted > 0:
            return self.ask(wanted, for_callers=True) > 0
        wanted = min(lacking + in_line, AT_ONCE) - self.ready
        return wanted > 0 and self.ask(wanted) > 0

    def request(self, *, slow: bool, waited: bool) -> Permit | None:
        """Take a permit, and ask for one if none is ready; ``waited``: a caller waits."""
        if not self._pool and (not slow or self.slow_room):
            self.ask(1, for_callers=waited, at_once=waited)
        return self.take(slow=slow)

    def take(self, *, slow: bool) -> Permit | None:
        """Take a permit, if one is ready."""
        with self._counting:
            if not self._pool or (slow and not self.slow_room):
                return None
            permit = self._pool.popleft()
            self._taken += 1
            self._slow += slow
            permit.slow = slow
            return permit

    def end(self, permit: Permit | None) -> None:
        """Give a permit up, or back if no call was made with it."""
        if permit is None:
            return
        with self._counting:
            if permit.ended:
                return
            permit.ended = True
            self._taken -= 1
            self._slow -= permit.slow
            if not permit.calls:
                self._pool.appendleft(Permit(max(permit.since, self.clock.monotonic())))

    def note_call(self, permit: Permit | None) -> None:
        """Count a call that is about to be made."""
        with self._counting:
            self._told.made += 1
            if permit is not None:
                self._told.extra += permit.calls > 0
                permit.calls += 1

    def note_refused(self) -> None:
        """Count a call that Canvas refused with 429, or 503 and ``Retry-After``."""
        with self._counting:
            self._told.refused += 1

    def settle(self) -> None:
        """Let go of permits that nobody took, and tell if fewer are held than Redis knows."""
        until = self.clock.monotonic() - KEPT_S
        with self._counting:
            self._pool = deque(permit for permit in self._pool if permit.since >= until)
        if self.held != self._reported or self._told.refused:
            self.ask(0)

    def _ask(self, wants: int, spare: int) -> int:
        self._number += 1
        with self._counting:
            told, self._told = self._told, _Told()
            held = self.held
        since = told.made, told.refused, told.extra
        wanted = CallsWanted(self.worker, self._number, held, wants, spare, *since)
        asked = self.clock.monotonic()
        try:
            granted = self.fleet.ask(wanted)
        except StoreUnavailableError:
            granted = self._alone(wants, held, asked)
        self.part = granted.part
        self._reported = held + granted.permits
        first, answered = asked + granted.first, self.clock.monotonic()
        places = range(granted.permits)
        with self._counting:
            self._pool.extend(Permit(first + place * granted.interval) for place in places)
        self._ask_at = answered + granted.wait
        return granted.permits

    def _alone(self, wants: int, held: int, now: float) -> CallsGranted:
        """Return what this process grants itself: the part that it had, at its part of the rate.

        What Redis was told with the question is lost; refusals that go on are told again.
        """
        interval = self.allowed.in_flight / self.part / self.allowed.per_second
        first = max(now, self._alone_at)
        slots = math.floor((now + KEPT_S - first) / interval) + 1
        granted = max(0, min(wants, self.part - held, slots))
        self._alone_at = first + granted * interval
        return CallsGranted(granted, first - now, interval, part=self.part)
