"""A granted lease and what its holder needs."""

import math
from dataclasses import dataclass, field

from broker.clock import Clock
from broker.errors import NotSentError
from broker.limits import Limits
from broker.observer import Observer
from broker.policy.calls import Calls, Permit
from broker.policy.feed import Feed
from broker.policy.server_clock import RoundTrip
from broker.policy.values import Copy
from broker.ports import Grant, Retry, Runtime, Slot, Snapshot, Upstream
from broker.secret import Secret
from broker.tokens import Kind

REFRESH_TOKEN_RESERVE = 10.0
"""A refresh token with less life than this (seconds) is not worth a call."""
_LATCH_SPREAD = 0.1


@dataclass(frozen=True, slots=True)
class Tools:
    """What the policy works with, joined once by the application factory."""

    limits: Limits
    clock: Clock
    runtime: Runtime
    upstream: Upstream
    retry: Retry
    observer: Observer
    calls: Calls
    feed: Feed = field(default_factory=Feed)

    def round_trip(self, asked: float) -> RoundTrip:
        """Return the round trip to Redis that began at ``asked`` and ends now."""
        return RoundTrip(asked, self.clock.monotonic(), self.clock.wall())


@dataclass(slots=True)
class Lease:
    """Who holds it, since when, and how many upstream calls are left in it.

    ``permit`` is what the calls are made with. ``asked`` and ``granted`` are the monotonic instants
    around the grant; ``kind`` is the upstream call made last, ``called`` when it began.
    """

    attempt: str
    grant: Grant
    asked: float
    granted: float
    calls_left: int
    permit: Permit | None = None
    kind: Kind = Kind.AUTHENTICATE
    called: float = 0.0

    @property
    def expected(self) -> int:
        """Return the generation that the commit must find."""
        return self.grant.snapshot.generation

    @property
    def refresh_token(self) -> Secret | None:
        """Return the refresh token that this lease burned, if any."""
        snapshot = self.grant.snapshot
        if self.grant.slot is Slot.SPARE and snapshot.spare is not None:
            return snapshot.spare.refresh_token
        if self.grant.slot is Slot.OWN and snapshot.record is not None:
            return snapshot.record.refresh_token
        return None

    def redis_time(self, instant: float) -> float:
        """Return Redis's time at a monotonic instant after the grant; rather early than late."""
        return self.grant.snapshot.now + instant - self.granted

    def spend_call(self, now: float, limits: Limits) -> None:
        """Count one upstream call; raises :class:`NotSentError` if it may outlive the lease."""
        if self.asked + self.grant.snapshot.lease_remaining - now < limits.lease_reserve:
            raise NotSentError("lease_too_short")
        self.calls_left -= 1


def backoff_delay(failures: int, chance: float, retry_after: float | None, cap: float) -> float:
    """Return the seconds to pause after ``failures`` failures in a row, this one not counted.

    Full jitter under a cap that doubles each time; ``chance`` is drawn evenly from 0 to 1.
    Canvas's own ``Retry-After`` goes before.
    """
    if retry_after is not None:
        return retry_after
    return chance * min(cap, math.ldexp(1.0, min(failures + 1, 30)))


def latch_delay(refusals: int, chance: float, limits: Limits) -> float:
    """Return the seconds to pause after ``refusals`` refusals of the keys, this one not counted.

    The steps before the longest are spread by a tenth, so that organizations that were refused
    together are not probed together.
    """
    spread = 1 + _LATCH_SPREAD * (2 * chance - 1)
    step = limits.latch_after(refusals + 1)
    return step if step == limits.latch else min(step * spread, limits.latch)


def wish(snapshot: Snapshot, copy: Copy | None) -> Slot:
    """Return the refresh token worth presenting: the spare, the record's own, or none."""
    soon = snapshot.now + REFRESH_TOKEN_RESERVE
    if snapshot.spare is not None:
        return Slot.SPARE if snapshot.spare.expires_at > soon else Slot.NONE
    record = copy.record if snapshot.unchanged and copy else snapshot.record
    if record is None or snapshot.presented or snapshot.foreign:
        return Slot.NONE
    if copy is not None and record.provisional < copy.record.provisional:
        return Slot.NONE  # an old record that somebody put back
    expires_at = record.refresh_expires_at
    return Slot.NONE if expires_at is None or expires_at <= soon else Slot.OWN
