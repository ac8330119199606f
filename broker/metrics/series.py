"""The series of one declared metric, found by their label values without building anything."""

from collections.abc import Callable
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from broker.metrics.catalogue import BY_NAME, Metric, Type
from broker.metrics.words import ORGANIZATION, OTHER, SERIES

_without_created: Callable[[], None] = disable_created_metrics
_without_created()  # nobody declared them, and the files of several processes have none
Instrument = TypeVar("Instrument", Counter, Histogram)


class UndeclaredMetricError(LookupError):
    """A metric, or a label's value, that is not in the catalogue: a defect of whoever counts it."""


class Series(Generic[Instrument]):
    """Counters or histograms of one name.

    All are there from the start, at 0, but for those of an organization. With ``strict``, an
    unknown word raises :class:`UndeclaredMetricError`; without, it is counted as ``other``.
    """

    def __init__(self, instrument: Instrument, metric: Metric, *, strict: bool) -> None:
        self._instrument: Instrument = instrument
        self._name = metric.name
        self._strict = strict
        self._combinations = SERIES.get(metric.name, ())
        columns = zip(*self._combinations, strict=True)
        self._words: list[frozenset[str] | None] = [
            None if label == ORGANIZATION else frozenset(next(columns)) for label in metric.labels
        ]
        self._found: dict[tuple[str, ...], Instrument] = {}
        self._by_organization = ORGANIZATION in metric.labels
        if not self._by_organization:
            for words in self._combinations:
                self._take(words)

    def of(self, *values: str) -> Instrument:
        """Return the one with these label values."""
        found = self._found.get(values)
        return found if found is not None else self._take(values)

    def _take(self, values: tuple[str, ...]) -> Instrument:
        columns = zip(values, self._words, strict=True)
        known = tuple(_known(value, words) for value, words in columns)
        if known != values and self._strict:
            raise UndeclaredMetricError(f"a label of {self._name} has a word of its own")
        taken = self._instrument.labels(*known) if known else self._instrument
        # Of organizations there may be thousands, and each is counted once in some minutes.
        return taken if self._by_organization else self._found.setdefault(known, taken)


def _known(value: str, words: frozenset[str] | None) -> str:
    return value if words is None or value in words else OTHER


def counters(name: str, registry: CollectorRegistry, *, strict: bool) -> Series[Counter]:
    """Return the counters of this name; raises :class:`UndeclaredMetricError`."""
    metric = declared(name, Type.COUNTER)
    counter = Counter(metric.name, metric.meaning, metric.labels, registry=registry)
    return Series(counter, metric, strict=strict)


def histograms(name: str, registry: CollectorRegistry, *, strict: bool) -> Series[Histogram]:
    """Return the histograms of this name; raises :class:`UndeclaredMetricError`."""
    metric = declared(name, Type.HISTOGRAM)
    histogram = Histogram(
        metric.name, metric.meaning, metric.labels, registry=registry, buckets=metric.buckets
    )
    return Series(histogram, metric, strict=strict)


def declared(name: str, kind: Type) -> Metric:
    """Return the catalogue's entry; raises :class:`UndeclaredMetricError` if there is none."""
    metric = BY_NAME.get(name)
    if metric is None or metric.type is not kind:
        raise UndeclaredMetricError(f"the catalogue has no {kind} {name}")
    return metric
