"""The log lines about Redis: few, however many organizations and looks it concerns."""

import logging
import threading
from collections.abc import Hashable

from broker.clock import Clock
from broker.observer import Event, StoreDamaged, StoreFailed, StoreRecovered

INTERVAL_S = 30.0
"""Seconds until a line with the same reason may follow, in one process."""
_MOST = 100
"""Reasons that are remembered: more than there are, but for codes that nobody knows."""
_log = logging.getLogger("broker.events")


class StoreLog:
    """Implements :class:`broker.observer.Observer` for what Redis does.

    That it fails is logged once for each reason in :data:`INTERVAL_S`, as an error where it never
    passes by itself, else as a warning; that it works again, once after that.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._logged_at: dict[Hashable, float] = {}
        self._failing = False

    def handle(self, event: Event) -> None:
        """Log it, seldom; the organization of the line is one that it concerns."""
        match event:
            case StoreFailed(organization, reason) if self._is_new(reason):
                self._failing = True
                extra = {"organization": organization, "reason": str(reason)}
                extra["advice"] = f"{reason.sentence} {reason.remedy()}"
                lasts = reason.row.lasts
                _log.log(logging.ERROR if lasts else logging.WARNING, "store.failed", extra=extra)
            case StoreDamaged(organization, damage) if self._is_new(damage):
                extra = {"organization": organization, "part": damage.part, "defect": damage.defect}
                _log.error("store.damaged", extra=extra)
            case StoreRecovered(organization):
                with self._lock:
                    failing, self._failing = self._failing, False
                if failing:
                    _log.info("store.recovered", extra={"organization": organization})

    def _is_new(self, reason: Hashable) -> bool:
        now = self._clock.monotonic()
        with self._lock:
            last = self._logged_at.get(reason)
            if last is not None and now - last < INTERVAL_S:
                return False
            if len(self._logged_at) >= _MOST:
                self._logged_at.clear()
            self._logged_at[reason] = now
            return True
