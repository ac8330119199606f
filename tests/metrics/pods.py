"""Pods to be told of, and a way to read what Prometheus would."""

from typing import TypeAlias

from prometheus_client.parser import text_string_to_metric_families

from broker.metrics.exposition import exposition
from broker.metrics.meters import Meters
from broker.pod.snapshot import FilesReport, Pod, WorkerSnapshot
from broker.policy.health import OrganizationHealth
from broker.tokens import State

Readings: TypeAlias = dict[tuple[str, ...], float]
"""The values of one sample name, by its labels' values in the order of the labels' names."""

HEALTHY = OrganizationHealth(
    organization="acme",
    state=State.FRESH,
    generation=7,
    expires_in=500.0,
    refresh_expires_in=86000.0,
    last_refresh=100.0,
    last_error=None,
    failures=0,
    latched=False,
    next_attempt_in=None,
    store_fault=None,
    landed=True,
    credential_version="c0ffee",
    record_version="c0ffee",
    skew=None,
    in_use=True,
)
FILES = FilesReport("credentials", (), 1_800_000_000.0)


def pod(*organizations: OrganizationHealth, workers: int = 2, expected: int = 2) -> Pod:
    """Return a pod all of whose workers know the same."""
    told = tuple(
        WorkerSnapshot(pid, 60.0, organizations, (FILES,), waiting=1, places=8)
        for pid in range(1, workers + 1)
    )
    return Pod(told, (), expected, organizations, (FILES,))


def named(*names: str) -> Pod:
    """Return a pod of healthy organizations with these names."""
    return pod(*(HEALTHY._replace(organization=name) for name in names))


def read(text: bytes, sample: str) -> Readings:
    """Return the samples of one name from the text format."""
    return {
        tuple(value for _, value in sorted(one.labels.items())): one.value
        for family in text_string_to_metric_families(text.decode())
        for one in family.samples
        if one.name == sample
    }


def seen(meters: Meters, of: Pod, sample: str) -> Readings:
    """Return the samples of one name that a scrape sees."""
    return read(exposition(meters, of)[0], sample)
