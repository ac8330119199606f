"""Health probes as an orchestrator sends them: each on a connection of its own."""

import http.client
import threading
from http import HTTPStatus
from typing import Self

from bench.scene import ask

PATHS = ("/health/live", "/health/ready")
INTERVAL = 0.25


class Probes:
    """Asks for the health until the end of the ``with`` block."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.seconds: list[float] = []
        self.failures: list[str] = []
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="probes")

    @property
    def slowest(self) -> float:
        """Return the seconds of the slowest answer."""
        return max(self.seconds, default=0.0)

    def _run(self) -> None:
        while not self._stopped.wait(INTERVAL):
            for path in PATHS:
                self._probe(path)

    def _probe(self, path: str) -> None:
        try:
            reply = ask(self._port, path, {})
        except (OSError, http.client.HTTPException) as error:
            self.failures.append(f"{path} {type(error).__name__}")
            return
        self.seconds.append(reply.seconds)
        if reply.status != HTTPStatus.OK:
            self.failures.append(f"{path} {reply.status}")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
