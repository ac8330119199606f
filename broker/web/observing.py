"""What the policy does, as log lines and as metrics.

Levels of the lines: a warning passes by itself, an error needs a hand.
"""

import logging

from broker.clock import Clock
from broker.errors import FailureClass, UpstreamError
from broker.metrics.meters import Meters
from broker.policy.history import SUCCESS
from broker.ports import ReportStatus
from broker.store_damage import Damage
from broker.store_faults import Reason
from broker.tokens import Flaw, Kind
from broker.web.store_log import StoreLog

_log = logging.getLogger("broker.events")
AGAIN_AFTER_S = 60.0
"""Seconds until another line may tell the same of an organization, where lines are to be few."""


class LogObserver:
    """Implements :class:`broker.observer.Observer` on the ``broker.events`` logger."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._store = StoreLog(clock)
        self._hears = False
        self._told_at: dict[tuple[str, str], float] = {}

    def redeemed(self, organization: str, kind: Kind, seconds: float) -> None:
        """Log that Canvas gave a token pair."""
        extra = {"organization": organization, "kind": kind, "seconds": round(seconds, 3)}
        _log.info("upstream.answered", extra=extra)

    def committed(self, organization: str, generation: int) -> None:
        """Log that a token pair became the record."""
        extra = {"organization": organization, "generation": generation}
        _log.info("token.refreshed", extra=extra)

    def flawed(self, organization: str, flaw: Flaw, *, known: bool) -> None:
        """Log a flaw when it begins."""
        if not known:
            _log.warning("upstream.flawed", extra={"organization": organization, "flaw": flaw})

    def reported(self, organization: str, status: ReportStatus) -> None:
        """Log nothing: it is counted."""

    def waited(self, organization: str, seconds: float) -> None:
        """Log nothing: it is measured."""

    def turned_away(self, organization: str) -> None:
        """Log nothing: it is counted."""

    def failed(self, organization: str, kind: Kind, error: UpstreamError, seconds: float) -> None:
        """Log a failed upstream call; refused keys need a hand."""
        refused = error.failure is FailureClass.REJECTED and kind is Kind.AUTHENTICATE
        extra = {
            "organization": organization,
            "kind": kind,
            "failure": error.failure,
            "error": error.kind,
            "seconds": round(seconds, 3),
        }
        _log.log(logging.ERROR if refused else logging.WARNING, "upstream.failed", extra=extra)

    def held_back(self, organization: str, kind: Kind, seconds: float) -> None:
        """Log that the brake holds, seldom: no way that is meant leads there."""
        if self._is_time("refresher.held_back", organization):
            extra = {"organization": organization, "kind": kind, "seconds": round(seconds, 3)}
            _log.error("refresher.held_back", extra=extra)

    def lease_held(self, organization: str, seconds: float) -> None:
        """Log that a lease does not end, seldom."""
        if self._is_time("lease.held", organization):
            extra = {"organization": organization, "seconds": round(seconds, 3)}
            _log.warning("lease.held", extra=extra)

    def _is_time(self, event: str, organization: str) -> bool:
        """Tell whether a line about this may be written, and note that it is."""
        now, key = self._clock.monotonic(), (event, organization)
        if now < self._told_at.get(key, float("-inf")) + AGAIN_AFTER_S:
            return False
        self._told_at[key] = now
        return True

    def store_failed(self, organization: str, reason: Reason) -> None:
        """Log why Redis failed; seldom."""
        self._store.failed(organization, reason)

    def store_recovered(self, organization: str) -> None:
        """Log that Redis works again."""
        self._store.recovered(organization)

    def store_damaged(self, organization: str, damage: Damage) -> None:
        """Log what was found and removed; seldom."""
        self._store.damaged(organization, damage)

    def feed_up(self) -> None:
        """Log that changes made elsewhere are heard, if the last line did not say so."""
        if not self._hears:
            self._hears = True
            _log.info("feed.up")

    def feed_down(self, reason: Reason) -> None:
        """Log why they are not; what never passes by itself needs a hand."""
        if self._is_time(f"feed.down {reason}", ""):
            self._hears = False
            extra = {"reason": str(reason), "advice": f"{reason.sentence} {reason.remedy()}"}
            lasts = reason.row.lasts
            _log.log(logging.ERROR if lasts else logging.WARNING, "feed.down", extra=extra)

    def crashed(self, organization: str, error: BaseException) -> None:
        """Log a defect; its message may hold anything, so only its class is told."""
        extra = {"organization": organization, "error": type(error).__name__}
        _log.error("refresher.crashed", extra=extra)


class MeteringObserver:
    """Implements :class:`broker.observer.Observer` by counting."""

    def __init__(self, meters: Meters) -> None:
        self._meters = meters

    def redeemed(self, organization: str, kind: Kind, seconds: float) -> None:
        """Count a successful upstream call and its time."""
        self._meters.refresh(organization, kind, SUCCESS, seconds)

    def committed(self, organization: str, generation: int) -> None:
        """Count nothing: the upstream call was counted."""

    def flawed(self, organization: str, flaw: Flaw, *, known: bool) -> None:
        """Count a flaw of an answer."""
        del organization, known
        self._meters.flawed(flaw)

    def failed(self, organization: str, kind: Kind, error: UpstreamError, seconds: float) -> None:
        """Count a failed upstream call by its class, and its time."""
        self._meters.refresh(organization, kind, error.failure, seconds)

    def held_back(self, organization: str, kind: Kind, seconds: float) -> None:
        """Count a call that was not made."""
        del seconds
        self._meters.held_back(organization, kind)

    def lease_held(self, organization: str, seconds: float) -> None:
        """Count nothing: the token that is overdue shows it."""

    def reported(self, organization: str, status: ReportStatus) -> None:
        """Count a report by what became of it."""
        del organization
        self._meters.report(status)

    def waited(self, organization: str, seconds: float) -> None:
        """Measure how long a request waited."""
        del organization
        self._meters.waited(seconds)

    def turned_away(self, organization: str) -> None:
        """Count a request that found no place to wait."""
        del organization
        self._meters.turned_away()

    def store_failed(self, organization: str, reason: Reason) -> None:
        """Count what Redis did not do, by the word for why."""
        del organization
        self._meters.redis_failed(reason.fault)

    def store_recovered(self, organization: str) -> None:
        """Count nothing: the gauge tells."""

    def store_damaged(self, organization: str, damage: Damage) -> None:
        """Count what was found and removed, by its part."""
        self._meters.store_damaged(organization, damage.part)

    def feed_up(self) -> None:
        """Count nothing: the gauge tells."""

    def feed_down(self, reason: Reason) -> None:
        """Count nothing: the gauge tells."""

    def crashed(self, organization: str, error: BaseException) -> None:
        """Count nothing: the token that is overdue shows a refresher that does not work."""
