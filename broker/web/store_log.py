"""The log lines about Redis: few, however many organizations and looks it concerns."""

import logging
import threading
from collections.abc import Hashable

from broker.clock import Clock
from broker.store_damage import Damage
from broker.store_faults import Reason

INTERVAL_S = 30.0
"""Seconds until a line with the same reason may follow, in one process."""
_MOST = 100
"""Reasons that are remembered: more than there are, but for codes that nobody knows."""
_log = logging.getLogger("broker.events")


class StoreLog:
    """Logs that Redis fails, once for each reason in :data:`INTERVAL_S`, and that it works again.

    An error for what never passes by itself, else a warning.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._logged_at: dict[Hashable, float] = {}
        self._failing = False

    def failed(self, organization: str, reason: Reason) -> None:
        """Log the first failure for a reason; ``organization`` is one that it concerns."""
        if self._is_new(reason):
            self._failing = True
            extra = {
                "organization": organization,
                "reason": str(reason),
                "advice": f"{reason.sentence} {reason.remedy()}",
            }
            _log.log(
                logging.ERROR if reason.row.lasts else logging.WARNING, "store.failed", extra=extra
            )

    def damaged(self, organization: str, damage: Damage) -> None:
        """Log what was found and removed, as seldom; ``organization`` is one that had it."""
        if self._is_new(damage):
            extra = {"organization": organization, "part": damage.part, "defect": damage.defect}
            _log.error("store.damaged", extra=extra)

    def recovered(self, organization: str) -> None:
        """Log the first success after a failure that was logged."""
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
