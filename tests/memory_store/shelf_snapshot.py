"""What a shelf tells to whoever reads it."""

from collections.abc import Iterator
from dataclasses import replace

from broker.failure_kinds import known_kind
from broker.limits import Limits
from broker.ports import Backoff, Snapshot
from broker.store.damage import is_generation_of
from broker.store.vouch import UnvouchedError, vouched
from broker.store_damage import Damage, Defect, Part
from broker.tokens import Record
from tests.memory_store.shelf import Shelf


def discard_unsealed(shelf: Shelf) -> Iterator[Damage]:
    """Remove a record that is none, or was not stored under this generation; tell if there was."""
    record: object = shelf.record
    sound = isinstance(record, Record) and is_generation_of(record, shelf.generation)
    if record is not None and not sound:
        shelf.forget_record()
        yield Damage(Part.RECORD, Defect.SEAL)


def discard_unvouched(shelf: Shelf, server: str, now: float, limits: Limits) -> Iterator[Damage]:
    """Remove a pause that nobody vouches for; tell if there was."""
    try:
        _backoff_of(shelf, server, now, limits)
    except UnvouchedError:
        shelf.forget_backoff()
        yield Damage(Part.BACKOFF, Defect.SEAL)


def snapshot_of(
    shelf: Shelf, asked: tuple[int, str], server: str, now: float, limits: Limits
) -> Snapshot:
    """Return the snapshot for who knows a generation and is an attempt: both are ``asked``."""
    known, attempt = asked
    unchanged = shelf.generation == known != 0
    record = None if unchanged else shelf.record
    return Snapshot(
        now=now,
        generation=shelf.generation,
        record=record and replace(record, generation=shelf.generation),
        unchanged=unchanged,
        foreign=shelf.is_record_foreign(server, now),
        refused=shelf.refused,
        spare=shelf.spare_for(attempt, server),
        presented=bool(shelf.presented),
        backoff=_backoff_of(shelf, server, now, limits),
        lease_remaining=max(0.0, shelf.lease_until - now) if shelf.lease else 0.0,
        server=server,
        written=shelf.written,
    )


def _backoff_of(shelf: Shelf, server: str, now: float, limits: Limits) -> Backoff | None:
    if shelf.backoff is None:
        return None
    remaining = shelf.backoff_remaining(server, now, limits.longest_backoff)
    kind = known_kind(shelf.backoff.failure)
    told = replace(shelf.backoff, remaining=remaining, failure=kind)
    return vouched(told, shelf.backoff_vouch, now, shelf.generation, limits)
