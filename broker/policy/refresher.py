"""The loop in each worker that keeps tokens warm. It survives any exception (invariant 12)."""

import threading
from collections.abc import Callable

from broker.clock import Clock
from broker.observer import Crashed, Observer
from broker.policy.broker import Broker

TICK = 0.2
"""Seconds between two ticks; an organization is due at most once in ``limits.backoff_min``."""


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
            self.tick()
            told()
            self._clock.sleep(TICK)

    def tick(self) -> None:
        """Tick once, whatever happens."""
        try:
            self._broker.tick()
        except Exception as error:  # noqa: BLE001  # invariant 12: nothing ends the refresher
            self._observer.handle(Crashed("*", error))

    def stop(self) -> None:
        """End :meth:`run` within a tick."""
        self._stopped.set()
