"""Callers who ask all the time and look at each answer the moment it comes."""

import threading
from dataclasses import dataclass
from http import HTTPStatus
from typing import Self

from tests.chaos.ledger import Ledger
from tests.integration.deployment import Deployment, Reply

CALLERS = 6
PAUSE = 0.05


@dataclass(frozen=True)
class Observation:
    """One answer: ``expired`` and ``refused`` as :class:`~tests.chaos.ledger.Ledger` says.

    Status 0: the connection died or nothing came.
    """

    status: int
    seconds: float
    expired: bool = False
    refused: bool = False


class Callers:
    """Threads spread over the brokers; they stop at the end of the ``with`` block."""

    def __init__(self, deployment: Deployment, ledger: Ledger) -> None:
        self._deployment = deployment
        self._ledger = ledger
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._observed: list[Observation] = []
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(CALLERS)]

    def take(self) -> list[Observation]:
        """Return what was observed since the last time."""
        with self._lock:
            taken, self._observed = self._observed, []
        return taken

    def observe(self, reply: Reply) -> Observation:
        """Judge one answer now."""
        expired = reply.status == HTTPStatus.OK and self._ledger.is_expired(reply)
        unavailable = reply.status == HTTPStatus.SERVICE_UNAVAILABLE
        refused = unavailable and self._ledger.is_refusal(reply)
        return Observation(reply.status, reply.seconds, expired, refused)

    def _ask(self, number: int) -> None:
        broker = self._deployment.brokers[number % len(self._deployment.brokers)]
        while not self._stopped.wait(PAUSE):
            observation = self.observe(broker.get("/token", self._deployment.key))
            with self._lock:
                self._observed.append(observation)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()
