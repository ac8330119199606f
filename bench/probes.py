"""Probes as an orchestrator sends them, or a caller: each on a connection of its own."""

import http.client
import threading
from collections import defaultdict
from collections.abc import Sequence
from http import HTTPStatus
from typing import Self

from bench.scene import Scene

HEALTH = ("/health/live", "/health/ready")
TOKEN = "/token"  # noqa: S105  # a path
INTERVAL = 0.25


class Probes:
    """Asks for each of the paths until the end of the ``with`` block."""

    def __init__(self, scene: Scene, paths: Sequence[str] = HEALTH) -> None:
        self._scene = scene
        self._keys = {path: scene.askers[0].key if path == TOKEN else "" for path in paths}
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.failures: list[str] = []
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(path,), name="probes") for path in paths
        ]

    @property
    def slowest(self) -> float:
        """Return the seconds of the slowest answer."""
        return max((one for seconds in self.seconds.values() for one in seconds), default=0.0)

    def _run(self, path: str) -> None:
        while not self._stopped.wait(INTERVAL):
            self._probe(path)

    def _probe(self, path: str) -> None:
        try:
            reply = self._scene.ask(path, self._keys[path])
        except (OSError, http.client.HTTPException) as error:
            self.failures.append(f"{path} {type(error).__name__}")
            return
        self.seconds[path].append(reply.seconds)
        if reply.status != HTTPStatus.OK:
            self.failures.append(f"{path} {reply.status}")

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()
