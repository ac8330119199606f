"""``GET /metrics``: what Prometheus reads."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from flask import Blueprint, Response, request

from broker.metrics.exposition import exposition
from broker.metrics.meters import Meters
from broker.pod.snapshot import Pod
from broker.policy.history import Event


class PodView(Protocol):
    """What is known of the workers of this pod."""

    def gather(self) -> Pod:
        """Return all of them as they are now."""
        ...

    def histories(self, names: Sequence[str]) -> Mapping[str, tuple[Event, ...]]:
        """Return what happened last to the organizations of these names."""
        ...

    def is_ready(self) -> bool:
        """Tell whether the pod is ready; asks nobody."""
        ...


def metrics_view(meters: Meters, gather: Callable[[], Pod]) -> Blueprint:
    """Return the view, right across all workers of the pod."""
    views = Blueprint("metrics", __name__)

    @views.get("/metrics")
    def metrics() -> Response:
        body, content_type = exposition(meters, gather(), request.headers.get("Accept", ""))
        return Response(body, content_type=content_type)

    return views
