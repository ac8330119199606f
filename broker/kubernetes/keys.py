"""The cluster's keys in force: fetched, kept through an outage, asked again for an unknown id.

::

    thread with an unknown id           others with unknown ids
    ─────────────────────────────       ──────────────────────────────
    takes the flight
    fetches, 1 s at most                wait for it, 1.2 s at most
    lands: new keys, or a failure ────▶ look again

The next flight for an unknown id may begin a minute after the last, or a second after while no
fetch has ever succeeded. In between an unknown id is unknown if the last fetch succeeded; if it
failed, nobody can tell.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from broker.clock import Clock
from broker.errors import TemporarilyUnavailableError
from broker.kubernetes.failure import KeysError, KeysFailure
from broker.kubernetes.jwks import Key, read_keys

UNKNOWN_INTERVAL = 60.0
"""Shortest time between two fetches for unknown key ids, in seconds."""
FIRST_INTERVAL = 1.0
"""The same while no fetch has succeeded."""
FLIGHT_WAIT = 1.2
"""Longest wait for a fetch that another thread does, in seconds."""
MOST_WAITING = 32
"""Threads that may wait at once: unknown ids, which anybody can send, must not hold them all."""
_LOG_INTERVAL = 60.0
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Flight:
    """A fetch in progress, and whether it was begun ``for_unknown`` ids."""

    began: float
    for_unknown: bool
    landed: threading.Event = field(default_factory=threading.Event)


class Keys:
    """The keys by which tokens are verified; ``fetch`` returns a JWKS or raises KeysError.

    ``failure`` is the word for what the last fetch failed of; None if it succeeded, or if there
    was none yet.
    """

    def __init__(self, fetch: Callable[[], bytes], clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(MOST_WAITING)
        self._keys: dict[str, Key] = {}
        self._fetched = False
        self._flight: _Flight | None = None
        self._unknown_from = float("-inf")
        self._logged: tuple[bool, float] | None = None
        self.failure: KeysFailure | None = None

    @property
    def count(self) -> int:
        """How many keys are in force."""
        return len(self._keys)

    def refresh(self) -> bool:
        """Fetch the keys, or wait for the fetch in progress; tell whether they are up to date.

        For a background thread: never raises. A failed fetch leaves the old keys in force.
        """
        with self._lock:
            flight = self._flight
            own = None if flight else self._begin(for_unknown=False)
        if own:
            self._fly(own)
        elif flight and not flight.landed.wait(FLIGHT_WAIT):
            return False
        return self.failure is None

    def find(self, kid: str) -> Key | None:
        """Return the key with this id, at once if it is known; None if the cluster has no such.

        Raises TemporarilyUnavailableError where that cannot be told.
        """
        known = self._keys.get(kid)
        if known is not None:
            return known
        if not self._places.acquire(blocking=False):
            raise self._cannot_tell()
        try:
            self._ask_for_unknown()
        finally:
            self._places.release()
        known = self._keys.get(kid)
        if known is None and (not self._fetched or self.failure is not None):
            raise self._cannot_tell()
        return known

    def holds(self, kid: str, key: Key) -> bool:
        """Tell whether ``key`` is still in force under this id; no I/O."""
        present = self._keys.get(kid)
        return present is key or present == key

    def _ask_for_unknown(self) -> None:
        """Fetch if it is time to, or wait for the fetch in progress."""
        with self._lock:
            now, flight = self._clock.monotonic(), self._flight
            if flight is None and now < self._unknown_from:
                return
            own = None if flight else self._begin(for_unknown=True)
        if own:
            self._fly(own)
        elif flight and not flight.landed.wait(FLIGHT_WAIT):
            raise self._cannot_tell()

    def _begin(self, *, for_unknown: bool) -> _Flight:
        """Return a new flight; whoever holds the lock and calls this must fly it."""
        self._flight = _Flight(self._clock.monotonic(), for_unknown)
        return self._flight

    def _fly(self, flight: _Flight) -> None:
        outcome: dict[str, Key] | KeysFailure = KeysFailure.CRASHED
        try:
            outcome = read_keys(self._fetch())
        except KeysError as error:
            outcome = error.failure
        except Exception:  # noqa: BLE001, S110  # the word above says it; nothing may escape
            pass
        finally:
            self._land(flight, outcome)

    def _land(self, flight: _Flight, outcome: dict[str, Key] | KeysFailure) -> None:
        with self._lock:
            if isinstance(outcome, KeysFailure):
                self.failure = outcome
            else:
                self._keys, self._fetched, self.failure = outcome, True, None
            if not self._fetched:
                self._unknown_from = flight.began + FIRST_INTERVAL
            elif flight.for_unknown:
                self._unknown_from = flight.began + UNKNOWN_INTERVAL
            self._flight = None
            self._tell()
        flight.landed.set()

    def _cannot_tell(self) -> TemporarilyUnavailableError:
        wait = max(1.0, self._unknown_from - self._clock.monotonic())
        return TemporarilyUnavailableError(
            "The keys that verify service-account tokens are out of reach.", retry_after=wait
        )

    def _tell(self) -> None:
        """Log how the fetch ended: when that changed, else at most once a minute."""
        good, now = self.failure is None, self._clock.monotonic()
        if self._logged and self._logged[0] == good and now < self._logged[1] + _LOG_INTERVAL:
            return
        self._logged = good, now
        if good:
            _log.info("kubernetes.keys_fetched", extra={"keys": self.count})
        else:
            _log.warning("kubernetes.keys_failed", extra={"reason": self.failure})
