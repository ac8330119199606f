"""The series of one declared metric, found by their label values without building anything."""

import math
from bisect import bisect_left
from collections import Counter as Count
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Generic, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    values,
)
from prometheus_client.metrics_core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from broker.metrics.catalogue import BY_NAME, Metric, Type
from broker.metrics.words import ORGANIZATION, OTHER, SERIES

_shown: Callable[[float], str] = floatToGoString
_without_created: Callable[[], None] = disable_created_metrics
_without_created()  # nobody declared them, and the files of several processes have none
Instrument = TypeVar("Instrument", Counter, Histogram)


class UndeclaredMetricError(LookupError):
    """A metric, or a label's value, that is not in the catalogue: a defect of whoever counts it."""


class Words:
    """The words that the labels of one declared metric may have.

    With ``strict``, an unknown word raises :class:`UndeclaredMetricError`; without, it becomes
    ``other``. An organization's name may be any.
    """

    def __init__(self, metric: Metric, *, strict: bool) -> None:
        self._name = metric.name
        self._strict = strict
        columns = zip(*SERIES.get(metric.name, ()), strict=True)
        self._words: list[frozenset[str] | None] = [
            None if label == ORGANIZATION else frozenset(next(columns)) for label in metric.labels
        ]

    def known(self, values: tuple[str, ...]) -> tuple[str, ...]:
        """Return the values as they may be counted."""
        columns = zip(values, self._words, strict=True)
        known = tuple(
            value if words is None or value in words else OTHER for value, words in columns
        )
        if known != values and self._strict:
            raise UndeclaredMetricError(f"a label of {self._name} has a word of its own")
        return known


class Series(Generic[Instrument]):
    """Counters or histograms of one name, all there from the start, at 0; ``words`` are theirs."""

    def __init__(self, instrument: Instrument, metric: Metric, words: Words) -> None:
        self._instrument: Instrument = instrument
        self._words = words
        self._found: dict[tuple[str, ...], Instrument] = {}
        for words_of_one in SERIES.get(metric.name, ()):
            self._take(words_of_one)

    def of(self, *values: str) -> Instrument:
        """Return the one with these label values."""
        found = self._found.get(values)
        return found if found is not None else self._take(values)

    def _take(self, values: tuple[str, ...]) -> Instrument:
        known = self._words.known(values)
        taken = self._instrument.labels(*known) if known else self._instrument
        return self._found.setdefault(known, taken)


class Durations(Collector):
    """A histogram without labels that takes many seconds at once; the library's takes one.

    It counts in the library's values, under the library's keys.
    """

    def __init__(self, name: str, registry: CollectorRegistry) -> None:
        self._metric = metric = declared(name, Type.HISTOGRAM)

        def value(sample: str, **labels: str) -> Any:
            names, own = tuple(labels), tuple(labels.values())
            kind: Any = values.ValueClass
            return kind("histogram", name, f"{name}_{sample}", names, own, metric.meaning)

        self._ends = (*metric.buckets, math.inf)
        self._words = [_shown(end) for end in self._ends]
        self._sum = value("sum")
        self._counts = [value("bucket", le=word) for word in self._words]
        registry.register(self)

    def observe(self, seconds: Sequence[float]) -> None:
        """Count all of these."""
        self._sum.inc(sum(seconds))
        for place, count in Count([bisect_left(self._ends, one) for one in seconds]).items():
            self._counts[place].inc(count)

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Yield what was counted in this process."""
        reached = accumulate(count.get() for count in self._counts)
        family = HistogramMetricFamily(self._metric.name, self._metric.meaning)
        family.add_metric((), list(zip(self._words, reached, strict=True)), self._sum.get())
        yield family


def counters(name: str, registry: CollectorRegistry, *, strict: bool) -> Series[Counter]:
    """Return the counters of this name; raises :class:`UndeclaredMetricError`."""
    metric = declared(name, Type.COUNTER)
    counter = Counter(metric.name, metric.meaning, metric.labels, registry=registry)
    return Series(counter, metric, Words(metric, strict=strict))


def histograms(name: str, registry: CollectorRegistry, *, strict: bool) -> Series[Histogram]:
    """Return the histograms of this name; raises :class:`UndeclaredMetricError`."""
    metric = declared(name, Type.HISTOGRAM)
    histogram = Histogram(
        metric.name, metric.meaning, metric.labels, registry=registry, buckets=metric.buckets
    )
    return Series(histogram, metric, Words(metric, strict=strict))


def declared(name: str, kind: Type) -> Metric:
    """Return the catalogue's entry; raises :class:`UndeclaredMetricError` if there is none."""
    metric = BY_NAME.get(name)
    if metric is None or metric.type is not kind:
        raise UndeclaredMetricError(f"the catalogue has no {kind} {name}")
    return metric
