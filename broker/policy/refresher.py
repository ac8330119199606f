"""The loop in each worker that keeps tokens warm. It survives any exception (invariant 12)."""

import math
import threading
from collections.abc import Callable

from broker.clock import Clock
from broker.observer import Crashed, Observer
from broker.policy.broker import Broker

TICK = 0.2
"""Seconds between two ticks; an organization is due at most once in ``limits.backoff_min``."""
SHORTEST = 0.05
"""The same where more is due before, so that looks go together."""


def _nobody() -> None:
    pass


class Refresher:
    """Calls :meth:`~broker.policy.broker.Broker.tick` until it is stopped."""

    def __init__(self, broker: Broker, clock: Clock, observer: Observer) -> None:
        self._broker = broker
        self._clock = clock
        self._observer = observer
        self._stopped = threading.Event()

    def run(self, told: Callable[[], object] = _nobody) -> None:
        """Tick until :meth:`stop`, and call ``told`` each time; meant for a thread of its own."""
        while not self._stopped.is_set():
            due = self.tick()
            told()
            until = self._clock.monotonic() + TICK
            while (left := until - self._clock.monotonic()) > max(due, SHORTEST):
                self._clock.sleep(max(due, SHORTEST))
                if self._stopped.is_set():
                    return
                due = self.tick()
            self._clock.sleep(max(0.0, left))

    def tick(self) -> float:
        """Tick once, whatever happens; return the seconds until more is due."""
        try:
            return self._broker.tick()
        except Exception as error:  # noqa: BLE001  # invariant 12: nothing ends the refresher
            self._observer.handle(Crashed("*", error))
            return math.inf

    def stop(self) -> None:
        """End :meth:`run` within a tick."""
        self._stopped.set()
