"""What kubelets report, without kubelets: every pod is said to run and to be ready.

Nothing runs in these pods. But a rollout goes on only while its pods become ready, and Helm waits
for that; so what the Deployment controller and Helm do here, they do by themselves.
"""

import datetime as dt
import threading
from typing import Any, Self

from tests.cluster.api import Api

PAUSE = 0.1
CONDITIONS = ("Initialized", "PodScheduled", "ContainersReady", "Ready")


class Nodes:
    """Reports on a thread, for as long as the ``with`` block."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._report, name="nodes", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(10)

    def _report(self) -> None:
        while not self._stopped.wait(PAUSE):
            waiting = self._api.get("api/v1/pods", fieldSelector="status.phase=Pending")
            for pod in waiting["items"]:
                meta = pod["metadata"]
                path = f"api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}/status"
                self._api.ask("PATCH", path, {"status": status(pod)})


def status(pod: Any) -> dict[str, Any]:
    """Return the status of a pod that runs, or of one for a single task that has done it."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    phase = "Succeeded" if pod["spec"]["restartPolicy"] == "Never" else "Running"
    conditions = [{"type": t, "status": "True", "lastTransitionTime": now} for t in CONDITIONS]
    return {"phase": phase, "conditions": conditions}
