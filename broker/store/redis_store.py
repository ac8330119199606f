"""The record store on Redis: names keys, seals values, runs the scripts."""

from broker.credentials import Credentials
from broker.limits import Limits
from broker.ports import (
    Commitment,
    Failure,
    Grant,
    GrantStatus,
    ReportStatus,
    Slot,
    Snapshot,
)
from broker.store.codec import MICROSECONDS, open_snapshot, seal_record, seal_spare
from broker.store.scripts import Scripts
from broker.store.seal import Seal
from broker.tokens import Record, Spare

_PARTS = ("record", "lease", "backoff", "report")


class RedisRecordStore:
    """Implements :class:`broker.ports.RecordStore` for one organization and credential version.

    Its keys are ``<prefix>:{<organization>}:<name>:<part>``; the braces are the hash tag that keeps
    them in one slot of a cluster, the name comes from the credentials.
    """

    def __init__(
        self, scripts: Scripts, limits: Limits, seal: Seal, prefix: str, organization: str
    ) -> None:
        self._scripts = scripts
        self._limits = limits
        self._seal = seal
        self._stem = f"{prefix}:{{{organization}}}:{seal.name}:"

    @property
    def _keys(self) -> list[str]:
        """Return the names of its keys; kept, they would be half a kilobyte."""
        return [self._stem + part for part in _PARTS]

    def read(self, known: int) -> Snapshot:
        """Return the present snapshot."""
        return open_snapshot(self._seal, self._scripts.run("read", self._keys, known), known)

    def acquire(self, attempt: str, expected: int, wish: Slot) -> Grant:
        """Take the lease and burn the wished refresh token."""
        lease_ms = _milliseconds(self._limits.lease)
        reply = self._scripts.run("acquire", self._keys, attempt, expected, wish, lease_ms)
        status, slot, *snapshot = reply
        return Grant(
            GrantStatus(status.decode()),
            Slot(slot.decode()),
            open_snapshot(self._seal, snapshot, 0),
        )

    def commit(
        self, attempt: str, expected: int, record: Record, failure: Failure | None
    ) -> Commitment:
        """Store ``record`` unless the generation has moved."""
        return self._commitment(
            "commit",
            attempt,
            expected,
            record.provisional,
            seal_record(self._seal, record),
            _microseconds(_ends(record)),
            _milliseconds(failure.delay) if failure else 0,
            failure.kind if failure else "",
        )

    def commit_spare(
        self, attempt: str, expected: int, spare: Spare, failure: Failure
    ) -> Commitment:
        """Keep a refresh token without an access token."""
        return self._commitment(
            "commit_spare",
            attempt,
            expected,
            seal_spare(self._seal, spare),
            _microseconds(spare.expires_at),
            _milliseconds(failure.delay),
            failure.kind,
        )

    def fail(self, attempt: str, expected: int, failure: Failure, *, clear_mark: bool) -> None:
        """Leave a backoff and end the lease."""
        self._scripts.run(
            "fail",
            self._keys,
            attempt,
            expected,
            _milliseconds(failure.delay),
            failure.kind,
            int(failure.latched),
            int(clear_mark),
        )

    def report(self, generation: int) -> ReportStatus:
        """Note that Canvas refused ``generation``."""
        reply = self._scripts.run(
            "report",
            self._keys,
            generation,
            _microseconds(self._limits.report_min_age),
            _milliseconds(self._limits.report_interval),
        )
        return ReportStatus(reply.decode())

    def republish(self, record: Record) -> None:
        """Put ``record`` back where Redis lost it."""
        self._scripts.run(
            "republish",
            self._keys,
            record.generation,
            seal_record(self._seal, record),
            _microseconds(_ends(record)),
            _milliseconds(self._limits.lease),
        )

    def _commitment(self, script: str, *arguments: str | int | bytes) -> Commitment:
        superseded, generation = self._scripts.run(script, self._keys, *arguments)
        return Commitment(int(generation), superseded=bool(superseded))


class RedisRecordStores:
    """Implements :class:`broker.ports.RecordStores`; ``scope`` as in :class:`Seal`."""

    def __init__(self, scripts: Scripts, limits: Limits, prefix: str, scope: str) -> None:
        self._scripts = scripts
        self._limits = limits
        self._prefix = prefix
        self._scope = scope

    def open(self, organization: str, credentials: Credentials) -> RedisRecordStore:
        """Return the record store of an organization under one version of its credentials."""
        seal = Seal(organization, credentials, self._scope)
        return RedisRecordStore(self._scripts, self._limits, seal, self._prefix, organization)


def _ends(record: Record) -> float:
    """Return when the last of its tokens expires: usually the refresh token."""
    return max(record.expires_at, record.refresh_expires_at)


def _microseconds(seconds: float) -> int:
    return round(seconds * MICROSECONDS)


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
