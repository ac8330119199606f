"""The calls of the whole fleet, counted by Redis."""

import hashlib

from broker.fleet_calls import CallLimits, CallsGranted, CallsWanted
from broker.limits import Limits
from broker.store.codec import milliseconds
from broker.store.scripts import Scripts

_MICROSECONDS = 1_000_000
_DIGITS = 16


class RedisFleetCalls:
    """Implements :class:`broker.fleet_calls.FleetCalls`; ``canvas`` is what the calls go to."""

    def __init__(
        self, scripts: Scripts, allowed: CallLimits, limits: Limits, prefix: str, canvas: str
    ) -> None:
        self._scripts = scripts
        name = hashlib.sha256(canvas.encode()).hexdigest()[:_DIGITS]
        self.key = f"{prefix}:calls:{name}"
        self._most = allowed.in_flight, allowed.per_second, milliseconds(limits.lease)

    def ask(self, wanted: CallsWanted) -> CallsGranted:
        """Run the script."""
        told = (wanted.number, wanted.holds, wanted.wants, wanted.spare)
        since = (wanted.made, wanted.refused, wanted.extra)
        reply = self._scripts.run("calls", [self.key], wanted.worker, *told, *since, *self._most)
        permits, first, interval, wait, part = map(int, reply)
        first_s, interval_s, wait_s = (one / _MICROSECONDS for one in (first, interval, wait))
        return CallsGranted(permits, first_s, interval_s, wait_s, part)
