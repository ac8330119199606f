"""The gauges: computed at the scrape from what the living workers know at that moment."""

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

from prometheus_client.metrics_core import GaugeMetricFamily

from broker import __version__
from broker.metrics.catalogue import Type
from broker.metrics.series import declared
from broker.metrics.words import ORGANIZATION
from broker.pod.snapshot import FilesReport, Pod
from broker.policy.health import OrganizationHealth

Value: TypeAlias = tuple[tuple[str, ...], float]
"""The labels' values of one series, and its value."""


def gauges(pod: Pod, *, organizations: bool = True) -> Iterator[GaugeMetricFamily]:
    """Yield every gauge of the catalogue; a value that nobody knows is left out.

    Where ``organizations`` are not to be told of one by one, only those in use count.
    """
    used = tuple(one for one in pod.organizations if organizations or one.in_use)
    of_used = replace(pod, organizations=used)
    for name, values in READINGS.items():
        metric = declared(name, Type.GAUGE)
        family = GaugeMetricFamily(name, metric.meaning, labels=metric.labels)
        for labels, value in values(of_used if ORGANIZATION in metric.labels else pod):
            family.add_metric(labels, value)
        yield family


def _expiries(organization: OrganizationHealth) -> Iterator[Value]:
    if organization.expires_in is not None:
        yield (organization.organization, "access"), organization.expires_in
    if organization.refresh_expires_in is not None:
        yield (organization.organization, "refresh"), organization.refresh_expires_in


def _skew(pod: Pod) -> Iterator[Value]:
    ages = ((one.skew_age, one.skew) for one in pod.organizations if one.skew_age is not None)
    _, skew = min(ages, default=(None, None))
    if skew is not None:
        yield (), skew


Reading: TypeAlias = Callable[[Pod], Iterable[Value]]


def _each(read: Callable[[OrganizationHealth], Iterable[Value]]) -> Reading:
    return lambda pod: [value for one in pod.organizations for value in read(one)]


def _unless_0(read: Callable[[OrganizationHealth], float]) -> Reading:
    return lambda pod: [((o.organization,), value) for o in pod.organizations if (value := read(o))]


def _by_files(read: Callable[[FilesReport], float]) -> Reading:
    return lambda pod: [((one.what,), read(one)) for one in pod.files]


def _of_pod(read: Callable[[Pod], float]) -> Reading:
    return lambda pod: [((), read(pod))]


def _redis_up(pod: Pod) -> bool:
    return all(one.store_answers for worker in pod.workers for one in worker.organizations)


READINGS: Mapping[str, Reading] = {
    "broker_token_expires_in_seconds": _each(_expiries),
    "broker_token_refresh_overdue_seconds": lambda pod: [
        ((one.organization,), one.overdue) for one in pod.organizations if one.in_use
    ],
    "broker_organization_state": lambda pod: [
        ((one.organization, one.state), 1.0) for one in pod.organizations
    ],
    "broker_waiters": _of_pod(lambda pod: sum(worker.waiting for worker in pod.workers)),
    "broker_waiters_limit": _of_pod(lambda pod: sum(worker.places for worker in pod.workers)),
    "broker_backoff_seconds": _of_pod(
        lambda pod: max((one.next_attempt_in or 0.0 for one in pod.organizations), default=0.0)
    ),
    "broker_failures": _unless_0(lambda one: one.failures),
    "broker_credentials_rejected": _unless_0(lambda one: one.latched),
    "broker_redis_up": _of_pod(_redis_up),
    "broker_feed_up": _of_pod(lambda pod: all(worker.feed for worker in pod.workers)),
    "broker_clock_skew_seconds": _skew,
    "broker_reload_success": _by_files(lambda one: not one.problems),
    "broker_reload_success_timestamp_seconds": _by_files(lambda one: one.taken_at),
    "broker_organizations": _of_pod(lambda pod: len(pod.organizations)),
    "broker_organizations_in_use": _of_pod(lambda pod: sum(o.in_use for o in pod.organizations)),
    "broker_workers": _of_pod(lambda pod: len(pod.workers)),
    "broker_workers_expected": _of_pod(lambda pod: pod.expected),
    "broker_build_info": lambda _: [((__version__, platform.python_version()), 1.0)],
}
"""How each gauge is read off."""
