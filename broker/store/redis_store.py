"""The record store of one organization on Redis: names keys, seals values, runs the scripts."""

from typing import Any

from broker.errors import StoreUnavailableError
from broker.limits import Limits
from broker.ports import Commitment, Failure, Grant, GrantStatus, ReportStatus, Slot, Snapshot
from broker.store.codec import (
    microseconds,
    milliseconds,
    open_damage,
    open_snapshot,
    reckoned_time,
    seal_record,
    seal_spare,
    seal_vouch,
)
from broker.store.damage import Findings
from broker.store.scripts import Scripts
from broker.store.seal import Seal, UnsealError
from broker.store.vouch import UnvouchedError, lifted, vouch_for
from broker.store_damage import Damage, Defect, Part
from broker.store_faults import Reason, StoreFault
from broker.tokens import Record, Spare

_PARTS = ("record", "lease", "backoff", "report")
_DAMAGED = Reason(StoreFault.UNKNOWN, "DAMAGED")
CALM_PARTS = 3
"""The keys, from the first, of each organization in the script ``calm``."""


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
        self.name = seal.name
        self._stem = f"{prefix}:{{{organization}}}:{seal.name}:"
        self._findings = Findings()

    @property
    def keys(self) -> list[str]:
        """Return the names of its keys; kept, they would be half a kilobyte."""
        return [self._stem + part for part in _PARTS]

    @property
    def outage(self) -> Reason | None:
        """Return why its server is out of reach, as far as is known by now."""
        return self._scripts.outage(self._stem)

    def read(self, known: int) -> Snapshot:
        """Return the present snapshot."""
        return self._opened(self._run("read", known), known)

    def question(self, known: int) -> tuple[list[str], list[int]]:
        """Return the keys and arguments of the script ``read``."""
        return self.keys, [*self._longest, known]

    def snapshot(self, reply: list[Any], known: int) -> Snapshot:
        """Return what the script ``read`` answered."""
        return self._opened(self._told(reply), known)

    def take_damage(self) -> tuple[Damage, ...]:
        """Return what was found unsound and removed since the last call."""
        return self._findings.take()

    def acquire(self, attempt: str, expected: int, wish: Slot) -> Grant:
        """Take the lease and burn the wished refresh token."""
        status, slot, fence, *snapshot = self._run("acquire", attempt, expected, wish)
        found = self._opened(snapshot, 0)
        told = status.decode(), slot.decode(), fence.decode()
        return Grant(GrantStatus(told[0]), Slot(told[1]), found, attempt, told[2])

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
            microseconds(record.ends_at),
            milliseconds(failure.delay) if failure else 0,
            failure.kind if failure else "",
            reckoned_time(record),
        )

    def commit_spare(self, grant: Grant, spare: Spare, failure: Failure) -> Commitment:
        """Keep a refresh token without an access token."""
        return self._commitment(
            "commit_spare",
            grant.attempt,
            grant.snapshot.generation,
            seal_spare(self._seal, spare),
            microseconds(spare.expires_at),
            milliseconds(failure.delay),
            failure.kind,
            grant.fence,
        )

    def fail(self, attempt: str, expected: int, failure: Failure, *, clear_mark: bool) -> None:
        """Leave a backoff and end the lease."""
        self._run(
            "fail",
            attempt,
            expected,
            milliseconds(failure.delay),
            failure.kind,
            int(failure.latched),
            int(clear_mark),
            seal_vouch(self._seal, vouch_for(failure, expected, self._limits)),
        )

    def lift(self, writing: str) -> None:
        """End a latch soon: the credentials were written anew."""
        reply = self._run("read", 0)
        found, limits = self._opened(reply, 0), self._limits
        word = lifted(found.backoff, writing, found.now, found.generation, limits)
        if word is not None:
            soon = milliseconds(limits.backoff_min)
            self._run("lift", reply[3], soon, seal_vouch(self._seal, word))

    def report(self, generation: int) -> ReportStatus:
        """Note that Canvas refused ``generation``."""
        reply = self._run("report", generation, microseconds(self._limits.report_min_age))
        return ReportStatus(reply.decode())

    def republish(self, record: Record) -> None:
        """Put ``record`` back where Redis lost it."""
        sealed, ends = seal_record(self._seal, record), microseconds(record.ends_at)
        self._run("republish", record.generation, sealed, ends, reckoned_time(record))

    def note_clock_step(self) -> None:
        """Note that Redis's clock was set."""
        self._run("clock_step")

    def check_write(self) -> None:
        """Write what nobody reads; raises :class:`StoreUnavailableError` as any write would."""
        self._scripts.run("write", [self.write_key])

    @property
    def write_key(self) -> str:
        """Return the name of the key that is written as a try."""
        return self._stem + "write"

    def _commitment(self, script: str, *arguments: str | int | bytes) -> Commitment:
        superseded, generation = self._run(script, *arguments)
        return Commitment(int(generation), superseded=bool(superseded))

    @property
    def _longest(self) -> list[int]:
        """Return the first arguments: how long a lease, a backoff and a report may last."""
        limits = self._limits
        durations = limits.lease, limits.longest_backoff, limits.report_interval
        return [milliseconds(one) for one in durations]

    def _run(self, script: str, *arguments: str | int | bytes) -> Any:
        return self._told(self._scripts.run(script, self.keys, *self._longest, *arguments))

    def _told(self, reply: list[Any]) -> Any:
        """Return what the script itself answered; take note of what was mended before it."""
        damage, answer = reply
        if damage:
            self._findings.add(open_damage(damage))
        return answer

    def _opened(self, reply: list[bytes], known: int) -> Snapshot:
        """Return the snapshot; what is not sound is removed, by one more round trip for each."""
        for _ in range(3):
            try:
                return open_snapshot(self._seal, reply, known, self._limits)
            except UnsealError:
                self._findings.add([Damage(Part.RECORD, Defect.SEAL)])
                generation, written = reply[0].split(b" ", 4)[2:4]
                reply, known = self._run("discard", generation, written), 0
            except UnvouchedError:
                self._findings.add([Damage(Part.BACKOFF, Defect.SEAL)])
                reply, known = self._run("discard_backoff", reply[3]), 0
        raise StoreUnavailableError("Redis failed: records are damaged as they are read", _DAMAGED)
