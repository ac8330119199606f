"""The record store in memory: for tests of the policy, held to the same contract as Redis."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from broker.credentials import Credentials
from broker.limits import Limits
from broker.ports import (
    Answer,
    Commitment,
    Failure,
    Grant,
    GrantStatus,
    Question,
    ReportStatus,
    Slot,
    Snapshot,
)
from broker.store.damage import Findings
from broker.store.mending import LOST, mend
from broker.store.shelf import Shelf, name_for
from broker.store.shelf_snapshot import discard_unsealed, discard_unvouched, snapshot_of
from broker.store.vouch import Vouch, lifted, vouch_for
from broker.store.write_checks import check_each
from broker.store_damage import Damage
from broker.store_faults import Reason
from broker.tokens import Record, Spare


@dataclass(slots=True)
class MemoryServer:
    """Plays the Redis server; ``name`` changes when it is restarted or fails over."""

    now: Callable[[], float]
    limits: Limits
    name: str = "one"
    together: int = 32
    grants: int = 0
    shelves: dict[tuple[str, str], Shelf] = field(default_factory=dict)

    def open(self, organization: str, credentials: Credentials) -> "MemoryRecordStore":
        """Return the record store of an organization under one version of its credentials."""
        return MemoryRecordStore(self, (organization, credentials.version))

    def check_writes(self, stores: Sequence[object]) -> list[Reason | None]:
        """Return that all writes are taken, while the server answers at all."""
        return check_each(("", self.now) for _ in stores)

    def read_each(self, asked: Sequence[Question]) -> list[Answer]:
        """Read several at once."""
        return [partial(store.read, known) for store, known in asked]


class MemoryRecordStore:
    """Implements :class:`broker.ports.RecordStore` on a :class:`MemoryServer`."""

    outage = None

    def __init__(self, server: MemoryServer, key: tuple[str, str]) -> None:
        self._server = server
        self._key = key
        self._findings = Findings()

    @property
    def shelf(self) -> Shelf:
        """What the server holds now; for tests to look at."""
        return self._server.shelves.setdefault(self._key, Shelf()).at(self._server.now())

    def take_damage(self) -> tuple[Damage, ...]:
        """Return what was found unsound and removed since the last call."""
        return self._findings.take()

    def read(self, known: int) -> Snapshot:
        """Return the present snapshot."""
        self._mended()
        return self._snapshot(known, "")

    def _mended(self) -> Shelf:
        """Return what the server holds, without what no broker writes."""
        server = self._server
        shelf = server.shelves.setdefault(self._key, Shelf())
        self._findings.add(mend(shelf, server.name, server.now(), server.limits))
        return shelf

    def _snapshot(self, known: int, attempt: str) -> Snapshot:
        server, shelf = self._server, self.shelf
        if shelf.generation != known or not known:
            self._findings.add(discard_unsealed(shelf))
        self._findings.add(discard_unvouched(shelf, server.name, server.now(), server.limits))
        return snapshot_of(shelf, (known, attempt), server.name, server.now(), server.limits)

    def acquire(self, attempt: str, expected: int, wish: Slot) -> Grant:
        """Take the lease and burn the wished refresh token."""
        shelf = self._mended()
        status = self._refusal(attempt, expected)
        if status is None:
            self._burn(attempt, wish)
            self._server.grants += 1
            shelf.fence = str(self._server.grants)
            self._hold(attempt)
            status = GrantStatus.GRANTED
        granted = status is GrantStatus.GRANTED
        slot, fence = (shelf.burned(attempt), shelf.fence) if granted else (Slot.NONE, "")
        return Grant(status, slot, self._snapshot(0, attempt), attempt, fence)

    def commit(
        self, attempt: str, expected: int, record: Record, failure: Failure | None
    ) -> Commitment:
        """Store ``record`` unless the generation has moved."""
        shelf = self._mended()
        now_us = round(self._server.now() * 1_000_000)
        if shelf.holds(attempt, record.provisional, now_us):
            return Commitment(shelf.generation, superseded=False)
        if shelf.generation > expected:
            self._end_lease(attempt)
            return Commitment(shelf.generation, superseded=True)
        generation = max(shelf.generation + 1, record.provisional, now_us)
        self._place(record, generation, attempt)
        if failure:
            self._back_off(attempt, failure)
        else:
            shelf.forget_backoff()
        self._end_lease(attempt)
        return Commitment(generation, superseded=False)

    def commit_spare(self, grant: Grant, spare: Spare, failure: Failure) -> Commitment:
        """Keep a refresh token without an access token."""
        shelf, attempt = self._mended(), grant.attempt
        if shelf.spare_attempt == attempt:
            return Commitment(shelf.generation, superseded=False)
        held = self._holder() == attempt and shelf.fence == grant.fence
        superseded = shelf.generation > grant.snapshot.generation or not held
        if not superseded:
            shelf.spare, shelf.spare_attempt, shelf.spare_presented = spare, attempt, ""
            shelf.spare_server = self._server.name
            shelf.presented = shelf.presented or attempt
            shelf.keep_until(spare.expires_at, self._server.now())
            self._back_off(attempt, failure)
        self._end_lease(attempt)
        return Commitment(shelf.generation, superseded)

    def fail(self, attempt: str, expected: int, failure: Failure, *, clear_mark: bool) -> None:
        """Leave a backoff and end the lease."""
        shelf = self._mended()
        if shelf.backoff_attempt == attempt:
            return
        if clear_mark:
            shelf.clear_marks(attempt)
        if shelf.generation <= expected and self._holder() in {None, attempt}:
            self._back_off(attempt, failure, vouch_for(failure, expected, self._server.limits))
        self._end_lease(attempt)

    def lift(self, writing: str) -> None:
        """End a latch soon: the credentials were written anew."""
        shelf, found = self._mended(), self._snapshot(0, "")
        word = lifted(found.backoff, writing, found.now, found.generation, self._server.limits)
        if word is not None:
            shelf.backoff_until, shelf.backoff_vouch = word.until, word

    def report(self, generation: int) -> ReportStatus:
        """Note that Canvas refused ``generation``."""
        shelf, now, limits = self._mended(), self._server.now(), self._server.limits
        if shelf.generation != generation:
            return ReportStatus.MOVED
        if shelf.refused:
            return ReportStatus.KNOWN
        if 0 <= round(now * 1_000_000) - generation < limits.report_min_age * 1_000_000:
            return ReportStatus.YOUNG
        if now < shelf.report_until:
            return ReportStatus.THROTTLED
        shelf.report_written, shelf.report_until = now, now + limits.report_interval
        shelf.refused = True
        return ReportStatus.ACCEPTED

    def republish(self, record: Record) -> None:
        """Put ``record`` back where the server lost it."""
        shelf = self._mended()
        foreign = shelf.is_record_foreign(self._server.name, self._server.now())
        if shelf.generation < record.generation + foreign:
            self._place(record, record.generation, "republished")
            shelf.presented, shelf.seen = "republished", self._server.name
            self._hold(LOST)

    def note_clock_step(self) -> None:
        """Take what is here for another server's."""
        self._mended().note_clock_step(self._server.name, self._server.now())
        self._hold(self._holder() or LOST)

    def _refusal(self, attempt: str, expected: int) -> GrantStatus | None:
        shelf, holder = self.shelf, self._holder()
        if holder == attempt:
            return GrantStatus.GRANTED
        traces = {shelf.attempt, shelf.spare_attempt, shelf.presented, shelf.spare_presented}
        if attempt in traces or shelf.backoff_attempt == attempt:
            return GrantStatus.ENDED
        if holder is not None:
            self._adopt_lease()
            return GrantStatus.HELD
        foreign = shelf.is_foreign_to(self._server.name, self._server.now())
        if foreign and shelf.seen != self._server.name:
            shelf.seen = self._server.name
            self._hold(LOST)
            return GrantStatus.HELD
        if shelf.generation != expected:
            return GrantStatus.MOVED
        return GrantStatus.PAUSED if self._backoff_remaining() > 0 else None

    def _burn(self, attempt: str, wish: Slot) -> None:
        shelf = self.shelf
        shelf.mark_foreign(self._server.name, self._server.now())
        if wish is Slot.SPARE and shelf.spare and not shelf.spare_presented:
            shelf.spare_presented = attempt
        if wish is Slot.OWN and shelf.generation and not shelf.presented:
            shelf.presented = attempt

    def _place(self, record: Record, generation: int, attempt: str) -> None:
        shelf = self.shelf
        shelf.forget_record()
        shelf.generation, shelf.attempt, shelf.record = generation, attempt, record
        shelf.written = self._server.now()
        shelf.server = name_for(record, self._server.name, shelf.written)
        shelf.keep_until(record.ends_at, shelf.written)

    def _holder(self) -> str | None:
        lease = self.shelf.lease
        return lease[0] if lease and self._server.now() < self.shelf.lease_until else None

    def _adopt_lease(self) -> None:
        lease = self.shelf.lease
        if lease and lease[1] != self._server.name:
            self._hold(lease[0])

    def _hold(self, holder: str) -> None:
        """Begin the time of a lease, by this server's clock."""
        shelf, now = self.shelf, self._server.now()
        shelf.lease, shelf.lease_written = (holder, self._server.name), now
        shelf.lease_until = now + self._server.limits.lease

    def _end_lease(self, attempt: str) -> None:
        if self._holder() == attempt:
            self.shelf.lease = None

    def _back_off(self, attempt: str, failure: Failure, vouch: Vouch | None = None) -> None:
        self.shelf.back_off(attempt, failure, self._server.name, self._server.now())
        self.shelf.backoff_vouch = vouch

    def _backoff_remaining(self) -> float:
        longest = self._server.limits.longest_backoff
        return self.shelf.backoff_remaining(self._server.name, self._server.now(), longest)
