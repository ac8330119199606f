"""When pods came, were ready, and went: looked at five times a second."""

import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import urllib3

from tests.cluster.api import Api, RefusedError

POLL_S = 0.2


@dataclass
class Seen:
    """What happened to one pod, and when."""

    name: str
    came: float
    was_there: bool
    ready: float | None = None
    gone: float | None = None


class PodWatch:
    """Watches the pods of a label, for as long as the ``with`` block."""

    def __init__(self, api: Api, namespace: str, label: str) -> None:
        self._api = api
        self._path = f"api/v1/namespaces/{namespace}/pods"
        self._label = label
        self._ended = threading.Event()
        self.pods: dict[str, Seen] = {}

    def __enter__(self) -> Self:
        self._look(first=True)
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def seconds_to_ready(self) -> list[float]:
        """Return how long each new pod took from its creation until it was ready."""
        new = [one for one in self.pods.values() if not one.was_there]
        return [one.ready - one.came for one in new if one.ready is not None]

    def _watch(self) -> None:
        while not self._ended.wait(POLL_S):
            self._look()

    def _look(self, *, first: bool = False) -> None:
        try:
            pods = self._api.get(self._path, labelSelector=self._label)["items"]
        except (urllib3.exceptions.HTTPError, RefusedError):
            return
        now = time.time()
        found = {pod["metadata"]["uid"]: pod for pod in pods}
        for uid, pod in found.items():
            seen = self.pods.setdefault(uid, Seen(pod["metadata"]["name"], now, first))
            if seen.ready is None and is_ready(pod):
                seen.ready = now
        for uid, seen in self.pods.items():
            if uid not in found and seen.gone is None:
                seen.gone = now


def is_ready(pod: Any) -> bool:
    """Tell whether a pod is ready and not on its way out."""
    conditions = {one["type"]: one["status"] for one in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]
