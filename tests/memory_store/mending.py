"""What ``lua/mend.lua`` does before each script, on a shelf: it may hold anything in any field."""

import re
from math import inf

from broker.limits import BACKOFF_MEMORY, Limits
from broker.ports import Backoff
from broker.store_damage import Damage, Defect, Part
from broker.tokens import Record, Spare
from tests.memory_store.shelf import RECORD_LIFE, Shelf

LOST = "lost"
"""Who holds the lease that is waited out because another may have been lost."""
_TOO_HIGH = 2**53
_TEXT, _SEALED, _WORD, _COUNT = 1024, 65536, re.compile("[a-z0-9_]{1,64}"), 10**9


def mend(shelf: Shelf, server: str, now: float, limits: Limits) -> list[Damage]:
    """Remove what no broker writes, and what has come to its end; return what was damaged."""
    shelf.ends, shelf.lease_until = _end(shelf.ends), _end(shelf.lease_until)
    shelf.backoff_ends, shelf.report_until = _end(shelf.backoff_ends), _end(shelf.report_until)
    shelf.at(now)
    found = (
        (Part.RECORD, _mend_record(shelf, now)),
        (Part.LEASE, _mend_lease(shelf, server, now, now + limits.lease)),
        (Part.BACKOFF, _mend_backoff(shelf, now, limits.longest_backoff + BACKOFF_MEMORY)),
        (Part.REPORT, _mend_report(shelf, now, now + limits.report_interval)),
    )
    return [Damage(part, defect) for part, defect in found if defect]


def _mend_record(shelf: Shelf, now: float) -> Defect | None:
    defect = _defect_of_record(shelf) if shelf.has_record else None
    if defect:
        shelf.forget_record()
    elif shelf.has_record:
        ends = shelf.ends or inf
        shelf.ends = min(ends, now + RECORD_LIFE)
        return _cut(ends, shelf.ends, shelf.written, now)
    return defect


def _mend_lease(shelf: Shelf, server: str, now: float, latest: float) -> Defect | None:
    if shelf.lease is None:
        return None
    defect = _defect_of_lease(shelf)
    if defect:
        shelf.lease, shelf.fence = (LOST, server), ""  # its holder may be talking to Canvas
        shelf.lease_written, shelf.lease_until = now, latest
        return defect
    ends, shelf.lease_until = shelf.lease_until, min(shelf.lease_until, latest)
    return _cut(ends, shelf.lease_until, shelf.lease_written, now)


def _mend_backoff(shelf: Shelf, now: float, longest: float) -> Defect | None:
    defect = None if shelf.backoff is None else _defect_of_backoff(shelf)
    if shelf.backoff is None or defect:
        shelf.forget_backoff()
        return defect
    ends, shelf.backoff_ends = shelf.backoff_ends, min(shelf.backoff_ends, now + longest)
    return _cut(ends, shelf.backoff_ends, shelf.backoff_written, now)


def _mend_report(shelf: Shelf, now: float, latest: float) -> Defect | None:
    if not shelf.report_until:
        return None
    if not _is_instant(shelf.report_written):
        shelf.report_until = 0.0
        return Defect.VALUE
    ends = shelf.report_until
    shelf.report_until = ends if ends <= latest else 0.0
    return _cut(ends, latest, shelf.report_written, now)


def _cut(ends: float, cut: float, written: float, now: float) -> Defect | None:
    """Tell whether an end was too late; not where the clock was set back since: it moved along."""
    return Defect.TTL if ends > cut and (ends == inf or written <= now) else None


def _end(value: float) -> float:
    """Return when a key ends; infinity where it never would."""
    return value if _is_instant(value) else inf


def _defect_of_record(shelf: Shelf) -> Defect | None:
    sealed = (shelf.record, Record), (shelf.spare, Spare)
    texts = (
        *(shelf.attempt, shelf.server, shelf.presented, shelf.seen),
        *(shelf.spare_attempt, shelf.spare_server, shelf.spare_presented),
    )
    if any(_is_long(value, _TEXT) for value in texts) or any(
        not isinstance(value, kind) and _is_long(value, _SEALED) for value, kind in sealed
    ):
        return Defect.SIZE
    generation = shelf.generation
    whole = (
        type(generation) is int
        and 0 <= generation < _TOO_HIGH
        and (generation > 0) == (shelf.record is not None)
        and (shelf.record is not None or shelf.spare is not None)
    )
    sound = whole and _are_texts(texts) and _is_instant(shelf.written)
    return None if sound and type(shelf.refused) is bool else Defect.VALUE


def _defect_of_lease(shelf: Shelf) -> Defect | None:
    lease: object = shelf.lease
    if not isinstance(lease, tuple) or len(lease) != 2:  # holder and server
        return Defect.TYPE
    if any(_is_long(value, _TEXT) for value in (*lease, shelf.fence)):
        return Defect.SIZE
    sound = _are_texts((*lease, shelf.fence)) and _is_instant(shelf.lease_written)
    return None if sound and lease[0] else Defect.VALUE


def _defect_of_backoff(shelf: Shelf) -> Defect | None:
    backoff: object = shelf.backoff
    if not isinstance(backoff, Backoff):
        return Defect.TYPE
    texts = shelf.backoff_attempt, shelf.backoff_server
    if any(_is_long(value, _TEXT) for value in (*texts, backoff.failure)):
        return Defect.SIZE
    instants = shelf.backoff_written, shelf.backoff_until
    sound = (
        _are_texts((*texts, backoff.failure))
        and bool(shelf.backoff_attempt)
        and _WORD.fullmatch(backoff.failure)
        and all(map(_is_instant, instants))
        and _is_count(backoff.failures)
        and backoff.failures > 0
        and type(backoff.latched) is bool
    )
    return None if sound else Defect.VALUE


def _is_long(value: object, most: int) -> bool:
    return isinstance(value, str | bytes) and len(value) > most


def _are_texts(values: tuple[object, ...]) -> bool:
    return all(isinstance(value, str) for value in values)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < _COUNT


def _is_instant(value: object) -> bool:
    """Tell whether it may be seconds since 1970."""
    return type(value) in {int, float} and 0 <= value < _TOO_HIGH / 1e6  # type: ignore[operator]
