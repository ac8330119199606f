"""Whether the clock of the server that holds a record was set, by the evidence of this process.

Redis's clock is a wall clock: it may be set by minutes at any moment. This process's monotonic one
is not, so the two drift apart by no more than they run unevenly, unless Redis's was set.
"""

from typing import NamedTuple

from broker.ports import Snapshot
from broker.tokens import Record

TOLERANCE = 3.0
"""Seconds by which two clocks may come to differ unnoticed: more than one Redis operation takes,
less than the life at which a token is not served any more."""


class RoundTrip(NamedTuple):
    """When Redis was asked and had answered, by the monotonic clock, and the host's time then."""

    asked: float
    answered: float
    host: float


class _Look(NamedTuple):
    """What one look tells of a server's clock, or several without a step between them.

    ``since`` is its time at the first of them. ``low`` and ``high`` bound by how much it is ahead
    of the monotonic clock: its time was read at some instant between question and answer.
    """

    server: str
    since: float
    low: float
    high: float

    def then(self, later: "_Look") -> "_Look | None":
        """Return what both tell together; None if the clock was set between the two."""
        if later.server != self.server:
            return later
        low, high = max(self.low, later.low), min(self.high, later.high)
        if low <= high:
            return self._replace(low=low, high=high)
        # The two exclude each other: the clocks run unevenly, or one was set.
        return later._replace(since=self.since) if low - high <= TOLERANCE else None


class ServerClock:
    """What this process knows of the clock of the server that holds one organization's record.

    ``stepped`` says that it was set and that the server is yet to be told.
    """

    __slots__ = ("_known", "_stepped_at", "_told", "stepped")

    def __init__(self) -> None:
        self._known: _Look | None = None
        self._stepped_at = float("-inf")
        self._told = ""
        self.stepped = False

    def check(self, snapshot: Snapshot, trip: RoundTrip) -> bool:
        """Compare it with this process's clock and with what was stored; return ``stepped``."""
        low, high = snapshot.now - trip.answered, snapshot.now - trip.asked
        look = _Look(snapshot.server, snapshot.now, low, high)
        known = look if self._known is None else self._known.then(look)
        self._known = known or look
        if known is None or snapshot.written > snapshot.now:
            self.stepped, self._stepped_at = True, trip.asked
        return self.stepped

    def forget(self) -> None:
        """Compare with no earlier look any more."""
        self._known = None

    def is_to_tell(self, version: str, now: float, lease: float) -> bool:
        """Tell whether the server is yet to be told for a credential version.

        New credentials have a lease of their own, and it may have ended too soon as well.
        """
        return self.stepped or (self._told != version and now - self._stepped_at < lease)

    def told(self, version: str) -> None:
        """Note that the server was told for a credential version."""
        self.stepped, self._told = False, version

    def vouches(self, snapshot: Snapshot) -> bool:
        """Tell whether it is known not to have been set since the record was written."""
        return self._known is not None and self._known.since < snapshot.written

    def life_left(self, record: Record, snapshot: Snapshot, trip: RoundTrip) -> tuple[float, bool]:
        """Return the seconds that ``record`` lives from ``trip.asked``; whether that is certain.

        Without evidence of its own, a process asks whether the time since the record was written
        is the same by Redis's clock and by the hosts'. If so, neither was set. If not, nobody
        knows which one was: the shorter life counts.
        """
        left = min(record.expires_at - snapshot.now, record.lifetime)
        if self.vouches(snapshot):
            return left, True
        if record.stamp is None:
            return left, False
        set_back = trip.host - snapshot.now - record.stamp.host_ahead
        return left - max(0.0, set_back), abs(set_back) <= TOLERANCE
