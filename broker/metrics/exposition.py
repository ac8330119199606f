"""What ``GET /metrics`` answers: all that was counted, and the gauges of this moment."""

from collections.abc import Callable, Collection, Iterator

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

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
        families = [*(_without_gone(one, known) for one in meters.collect()), *gauges(pod)]
        self._families = {family.name: family for family in families}

    def collect(self) -> Iterator[Family]:
        """Yield each metric of the catalogue."""
        for metric in CATALOGUE:
            yield self._families[metric.name.removesuffix("_total")]


def _without_gone(family: Family, known: Collection[str | None]) -> Family:
    """Return it without the organizations that are not configured any more."""
    family.samples = [one for one in family.samples if one.labels.get(ORGANIZATION) in known]
    return family
