"""The record store in memory: for tests of the policy, held to the same contract as Redis."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from broker.credentials import Credentials
from broker.feed import Change
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
from broker.store.vouch import lifted, vouch_for
from broker.store.write_checks import check_each
from broker.store_damage import Damage
from broker.store_faults import Reason
from broker.tokens import Record, Spare
from tests.memory_store.keeper import Keeper
from tests.memory_store.mending import LOST
from tests.memory_store.shelf import Shelf


def _nobody(change: Change) -> None:
    """Hear nothing of it."""


@dataclass(slots=True)
class MemoryServer:
    """Plays the Redis server; ``name`` changes when it is restarted or fails over.

    ``publish`` tells the fleet what changed.
    """

    now: Callable[[], float]
    limits: Limits
    name: str = "one"
    together: int = 32
    grants: int = 0
    shelves: dict[tuple[str, str], Shelf] = field(default_factory=dict)
    publish: Callable[[Change], object] = _nobody

    def open(self, organization: str, credentials: Credentials) -> "MemoryRecordStore":
        """Return the record store of an organization under one version of its credentials."""
        return MemoryRecordStore(self, (organization, credentials.version))

    def check_writes(self, stores: Sequence[object]) -> list[Reason | None]:
        """Return that all writes are taken, while the server answers at all."""
        return check_each(("", self.now) for _ in stores)

    def read_each(self, asked: Sequence[Question]) -> list[Answer]:
        """Read several at once."""
        return [partial(store.read, known) for store, known in asked]


class MemoryRecordStore(Keeper):
    """Implements :class:`broker.ports.RecordStore` on a :class:`MemoryServer`."""

    def take_damage(self) -> tuple[Damage, ...]:
        """Return what was found unsound and removed since the last call."""
        return self._findings.take()

    def read(self, known: int) -> Snapshot:
        """Return the present snapshot."""
        self._mended()
        return self._snapshot(known, "")

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
        self._tell(generation)
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
            self._tell()
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
        self._tell()

    def lift(self, writing: str) -> None:
        """End a latch soon: the credentials were written anew."""
        shelf, found = self._mended(), self._snapshot(0, "")
        word = lifted(found.backoff, writing, found.now, found.generation, self._server.limits)
        if word is not None:
            shelf.backoff_until, shelf.backoff_vouch = word.until, word
            self._tell()

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
        self._tell()
        return ReportStatus.ACCEPTED

    def republish(self, record: Record) -> None:
        """Put ``record`` back where the server lost it."""
        shelf = self._mended()
        foreign = shelf.is_record_foreign(self._server.name, self._server.now())
        if shelf.generation < record.generation + foreign:
            self._place(record, record.generation, "republished")
            shelf.presented, shelf.seen = "republished", self._server.name
            self._hold(LOST)
            self._tell(record.generation)

    def note_clock_step(self) -> None:
        """Take what is here for another server's."""
        self._mended().note_clock_step(self._server.name, self._server.now())
        self._hold(self._holder() or LOST)
        self._tell()
