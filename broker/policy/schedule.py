"""When each organization is looked at: work grows with the tokens due, not with those configured.

An organization that was asked for a moment ago is looked at once a second, or every 30 s while the
fleet tells of changes (``broker.policy.feed``); one that is kept warm, when its token turns stale;
one that nobody has asked for in a long time, not at all, unless something keeps it from a token: a
pod that is not ready is asked nothing, and must find out by itself when all is well again.
"""

import heapq
import itertools
import threading
from collections import deque
from typing import NamedTuple, TypeAlias

from broker.limits import Limits
from broker.policy.calls import is_slow, wants_call
from broker.policy.feed import Feed
from broker.policy.organization import Organization

IN_USE = 10.0
"""Seconds after a request for which the copy is kept no older than :meth:`Feed.period`."""
SLACK = 0.75
"""Part of that after which the next look starts, so that it ends in time."""
LATCH_LOOK = 30.0
"""Seconds until the next look at who is latched: another process may have been told to lift it."""
FAULT_LOOK = 30.0
"""Seconds until the next look at who could not be read: health tells of it until then."""

ANY = 1_000_000, 1_000_000
"""Permits where nobody counts them."""
_Line: TypeAlias = "deque[tuple[float, Organization]]"


class Due(NamedTuple):
    """Whose time has come: to be looked at together, and in flights of their own."""

    looks: list[Organization]
    flights: list[Organization]


class Schedule:
    """A queue of organizations by the monotonic instant of their next look."""

    def __init__(self, limits: Limits, keep_warm: float, feed: Feed | None = None) -> None:
        self._limits = limits
        self._feed = feed or Feed()
        self._keep_warm = keep_warm
        self._lock = threading.Lock()
        self._queue: list[tuple[float, int, Organization]] = []
        self._due: dict[Organization, float] = {}
        self._order = itertools.count()
        self._for_looks: _Line = deque()
        self._for_flights: _Line = deque()
        self._for_calls: _Line = deque()
        self._for_slow_calls: _Line = deque()
        self._standing: set[Organization] = set()

    def plan(self, organization: Organization, at: float) -> None:
        """Look at ``organization`` at the instant ``at``, and not when it was planned before."""
        with self._lock:
            self._due[organization] = at
            self._standing.discard(organization)
            heapq.heappush(self._queue, (at, next(self._order), organization))

    def drop(self, organization: Organization) -> None:
        """Look at ``organization`` no more."""
        with self._lock:
            self._due.pop(organization, None)
            self._standing.discard(organization)

    def calls_wanted(self, slow: int) -> int:
        """Return how many stand in line for a permit; of those whose last call hung, ``slow``."""
        return len(self._for_calls) + min(len(self._for_slow_calls), slow)

    def take_due(
        self, now: float, looks: int | None, flights: int, permits: tuple[int, int] = ANY
    ) -> Due:
        """Return organizations whose time has come; plan each again.

        As many as ``looks``, or fewer, are to be looked at and no more, as far as is known; where
        it is None, all need a flight. As many as ``flights`` need one. Of these, as many as there
        are ``permits`` want to call Canvas, and at most as many as their second number whose last
        call hung. The others stand in line.
        """
        with self._lock:
            while self._queue and self._queue[0][0] <= now:
                at, _, organization = heapq.heappop(self._queue)
                if self._due.get(organization) == at:
                    self._line(organization, now, looks).append((at, organization))
            taken = self._take(self._for_flights, flights)
            ready, slow_ready = permits
            calls = self._take(self._for_calls, min(ready, flights - len(taken)))
            left = min(ready, flights - len(taken)) - len(calls)
            calls += self._take(self._for_slow_calls, min(slow_ready, left))
            return Due(self._take(self._for_looks, looks or 0), taken + calls)

    def _line(self, organization: Organization, now: float, looks: int | None) -> _Line:
        if wants_call(organization, now) and not organization.unsettled:
            self._standing.add(organization)
            return self._for_slow_calls if is_slow(organization.pause) else self._for_calls
        alone = looks is None or organization.needs_flight(now)
        return self._for_flights if alone else self._for_looks

    def _take(self, line: _Line, most: int) -> list[Organization]:
        taken: list[Organization] = []
        while line and len(taken) < most:
            at, organization = line.popleft()
            if self._due.get(organization) == at:
                del self._due[organization]
                self._standing.discard(organization)
                taken.append(organization)
        return taken

    def replan(self, organization: Organization, now: float) -> None:
        """Plan the next look at ``organization`` by its state, or none while it is idle.

        Who stands in line for a call, and still wants it, keeps its place.
        """
        if organization in self._standing and wants_call(organization, now):
            return
        at = self._next_look(organization, now)
        if at is not None:
            self.plan(organization, at)

    def keeps_warm(self, organization: Organization, now: float) -> bool:
        """Tell whether the organization's token is kept current."""
        return now - organization.asked < self._keep_warm

    def is_in_use(self, organization: Organization, now: float) -> bool:
        """Tell whether somebody has asked for the organization a moment ago."""
        return now - organization.asked < IN_USE

    def _next_look(self, organization: Organization, now: float) -> float | None:
        if organization.unsettled:
            return now
        soon = now + self._limits.revalidate * SLACK
        if organization.unlanded is not None or organization.binding.is_news:
            return soon
        due = self._when_due(organization, now, soon)
        if not self.is_in_use(organization, now):
            return due
        net = now + self._feed.period(organization, now, self._limits) * SLACK
        return net if due is None else min(due, net)

    def _when_due(self, organization: Organization, now: float, soon: float) -> float | None:
        """Return when more than a look may be due, ``soon`` at the earliest."""
        copy, pause, warm = (
            organization.copy,
            organization.pause,
            self.keeps_warm(organization, now),
        )
        if not warm and pause is None and organization.store_fault is None:
            return None
        if pause is not None and pause.until > now:
            until = min(pause.until, now + LATCH_LOOK) if pause.latched else pause.until
            return max(soon, until)
        if copy is None or not copy.certain or organization.is_due(now):
            return soon
        stale = copy.expires - copy.record.margin
        return max(soon, stale if organization.read_fault is None else min(stale, now + FAULT_LOOK))
