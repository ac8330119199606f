"""From the sums of all workers to the counters and histograms that Prometheus is told."""

import json
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family

from broker.metrics.catalogue import CATALOGUE, Metric, Type

COUNTED = tuple(metric for metric in CATALOGUE if metric.type is not Type.GAUGE)
"""What workers count, as opposed to what is computed at the scrape."""
LabelValues: TypeAlias = tuple[str, ...]
Samples: TypeAlias = dict[LabelValues, dict[str, float]]
"""For each series its numbers: the counter's one under ``_total``, a histogram's by their bounds
and the sum under ``_sum``."""
_TOTAL, _SUM = "_total", "_sum"


def families_of(totals: Mapping[str, float], metrics: Iterable[Metric] = COUNTED) -> list[Family]:
    """Return each of the declared counters and histograms ``metrics`` with its series."""
    declared: dict[str, tuple[Metric, Samples]] = {
        metric.name.removesuffix(_TOTAL): (metric, {}) for metric in metrics
    }
    for key, value in totals.items():
        name, sample, labels, _ = json.loads(key)
        if name in declared:
            metric, samples = declared[name]
            values = tuple(labels[label] for label in metric.labels)
            number = labels.get("le", sample.removeprefix(name))
            samples.setdefault(values, {})[number] = value
    return [_family(metric, samples) for metric, samples in declared.values()]


def _family(metric: Metric, samples: Samples) -> Family:
    if metric.type is Type.COUNTER:
        counter = CounterMetricFamily(metric.name, metric.meaning, labels=metric.labels)
        for values in sorted(samples):
            counter.add_metric(values, samples[values][_TOTAL])
        return counter
    histogram = HistogramMetricFamily(metric.name, metric.meaning, labels=metric.labels)
    for values in sorted(samples):
        numbers = samples[values]
        sum_value = numbers.pop(_SUM, 0.0)
        histogram.add_metric(values, _cumulated(numbers.items()), sum_value)
    return histogram


def _cumulated(buckets: Iterable[tuple[str, float]]) -> list[tuple[str, float]]:
    """Return the buckets as Prometheus has them: each with all that are below it."""
    reached = 0.0
    result = []
    for bound, count in sorted(buckets, key=lambda bucket: float(bucket[0])):
        reached += count
        result.append((bound, reached))
    return result
