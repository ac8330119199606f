"""What the policy does, as log lines and as metrics.

Levels of the lines: a warning passes by itself, an error needs a hand.
"""

import logging

from broker.clock import Clock
from broker.errors import FailureClass
from broker.metrics.meters import Meters
from broker.observer import (
    AnswerFlawed,
    CallFailed,
    CallSucceeded,
    Crashed,
    Event,
    FeedDown,
    FeedUp,
    HeldBack,
    LeaseHeld,
    Observer,
    StoreDamaged,
    StoreFailed,
    TokenCommitted,
    TokenReported,
    Waited,
    WaitRefused,
)
from broker.policy.history import SUCCESS
from broker.tokens import Kind

_log = logging.getLogger("broker.events")
AGAIN_AFTER_S = 60.0
"""Seconds until another line may tell the same of an organization, where lines are to be few."""


class LogObserver:
    """Implements :class:`broker.observer.Observer` on the ``broker.events`` logger.

    Reports and waits have no line: they are counted. What Redis does :class:`StoreLog` logs.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._hears = False
        self._told_at: dict[tuple[str, str], float] = {}

    def handle(self, event: Event) -> None:
        """Log it; what comes again and again seldom."""
        match event:
            case CallSucceeded(name, kind, seconds):
                extra = {"organization": name, "kind": kind, "seconds": round(seconds, 3)}
                _log.info("upstream.answered", extra=extra)
            case TokenCommitted(name, generation):
                extra = {"organization": name, "generation": generation}
                _log.info("token.refreshed", extra=extra)
            case AnswerFlawed(name, flaw, known=False):
                _log.warning("upstream.flawed", extra={"organization": name, "flaw": flaw})
            case CallFailed():
                _log_failed(event)
            case HeldBack(name, kind, seconds) if self._is_time("refresher.held_back", name):
                extra = {"organization": name, "kind": kind, "seconds": round(seconds, 3)}
                _log.error("refresher.held_back", extra=extra)
            case LeaseHeld(name, seconds) if self._is_time("lease.held", name):
                extra = {"organization": name, "seconds": round(seconds, 3)}
                _log.warning("lease.held", extra=extra)
            case FeedUp() if not self._hears:
                self._hears = True
                _log.info("feed.up")
            case FeedDown(reason) if self._is_time(f"feed.down {reason}", ""):
                self._hears, lasts = False, reason.row.lasts
                extra = {"reason": str(reason), "advice": f"{reason.sentence} {reason.remedy()}"}
                _log.log(logging.ERROR if lasts else logging.WARNING, "feed.down", extra=extra)
            case Crashed(name, defect):
                # Its message may hold anything.
                extra = {"organization": name, "error": type(defect).__name__}
                _log.error("refresher.crashed", extra=extra)

    def _is_time(self, event: str, organization: str) -> bool:
        """Tell whether a line about this may be written, and note that it is."""
        now, key = self._clock.monotonic(), (event, organization)
        if now < self._told_at.get(key, float("-inf")) + AGAIN_AFTER_S:
            return False
        self._told_at[key] = now
        return True


def _log_failed(event: CallFailed) -> None:
    """Log a failed upstream call; refused keys need a hand."""
    organization, kind, error, seconds = event
    refused = error.failure is FailureClass.REJECTED and kind is Kind.AUTHENTICATE
    extra = {
        "organization": organization,
        "kind": kind,
        "failure": error.failure,
        "error": error.kind,
        "seconds": round(seconds, 3),
    }
    _log.log(logging.ERROR if refused else logging.WARNING, "upstream.failed", extra=extra)


class MeteringObserver:
    """Implements :class:`broker.observer.Observer` by counting; gauges tell the rest."""

    def __init__(self, meters: Meters) -> None:
        self._meters = meters

    def handle(self, event: Event) -> None:
        """Count it, or measure it."""
        meters = self._meters
        match event:
            case CallSucceeded(organization, kind, seconds):
                meters.refresh(organization, kind, SUCCESS, seconds)
            case CallFailed(organization, kind, error, seconds):
                meters.refresh(organization, kind, error.failure, seconds)
            case HeldBack(organization, kind):
                meters.held_back(organization, kind)
            case AnswerFlawed(_, flaw):
                meters.flawed(flaw)
            case TokenReported(_, status):
                meters.report(status)
            case Waited(_, seconds):
                meters.waited(seconds)
            case WaitRefused():
                meters.turned_away()
            case StoreFailed(_, reason):
                meters.redis_failed(reason.fault)
            case StoreDamaged(organization, damage):
                meters.store_damaged(organization, damage.part)


class Observers:
    """Implements :class:`broker.observer.Observer` by telling several of them, in their order.

    One that raises harms neither the others nor what is being told of.
    """

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def handle(self, event: Event) -> None:
        """Tell it to each."""
        for observer in self._observers:
            try:
                observer.handle(event)
            except Exception as error:  # noqa: BLE001  # whatever it was, the token matters more
                extra = {"observer": type(observer).__name__, "error": type(error).__name__}
                _log.error("observer.crashed", extra=extra)
