"""What ``GET /metrics`` answers: all that was counted, and the gauges of this moment."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from broker.metrics.catalogue import CATALOGUE
from broker.metrics.gauges import gauges
from broker.metrics.meters import Meters
from broker.metrics.words import ORGANIZATION
from broker.pod.snapshot import Pod

_OPENMETRICS = "application/openmetrics-text"
_in_openmetrics: Callable[[Collector], bytes] = openmetrics.generate_latest


def exposition(meters: Meters, pod: Pod, accept: str = "") -> tuple[bytes, str]:
    """Return the metrics as text, and its content type; ``accept`` is the request's header.

    OpenMetrics 1.0 for whoever lists it, else the Prometheus text format 0.0.4. Tells of no
    organization that ``pod`` does not know. Raises ``OSError`` if the files cannot be read.
    """
    text = _Text(meters, pod)
    wanted = {range_.split(";")[0].strip().lower() for range_ in accept.split(",")}
    if _OPENMETRICS in wanted:
        return _in_openmetrics(text), openmetrics.CONTENT_TYPE_LATEST
    return generate_latest(text), CONTENT_TYPE_PLAIN_0_0_4


class _Text(Collector):
    """The metrics of one scrape, in the catalogue's order."""

    def __init__(self, meters: Meters, pod: Pod) -> None:
        known = {None, *(one.organization for one in pod.organizations)}
        each = meters.organizations
        families = [
            *(_without_gone(one, known) for one in meters.collect()),
            *gauges(pod, organizations=each),
        ]
        self._families = {one.name: one if each else _together(one) for one in families}

    def collect(self) -> Iterator[Family]:
        """Yield each metric of the catalogue."""
        for metric in CATALOGUE:
            yield self._families[metric.name.removesuffix("_total")]


def _together(family: Family) -> Family:
    """Return it without a series for each organization: with their sum, least or worst."""
    combine, found = _COMBINED.get(family.name, max), defaultdict(list)
    for one in family.samples:
        if ORGANIZATION not in one.labels:
            return family
        labels = frozenset(one.labels.items() - {(ORGANIZATION, one.labels[ORGANIZATION])})
        found[one.name, labels].append(one.value)
    family.samples = [
        Sample(name, dict(labels), combine(values)) for (name, labels), values in found.items()
    ]
    return family


_COMBINED: dict[str, Callable[[list[float]], float]] = {
    "broker_refreshes": sum,
    "broker_store_damage": sum,
    "broker_organization_state": sum,
    "broker_token_expires_in_seconds": min,
}
"""What is told of all organizations together; of others the most."""


def _without_gone(family: Family, known: Collection[str | None]) -> Family:
    """Return it without the organizations that are not configured any more."""
    family.samples = [one for one in family.samples if one.labels.get(ORGANIZATION) in known]
    return family
