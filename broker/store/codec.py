"""Records to sealed values and back."""

from typing import Any

from broker.ports import Backoff, Snapshot
from broker.secret import Secret
from broker.store.seal import Seal, UnsealError
from broker.tokens import Record, Spare

MICROSECONDS = 1_000_000
_RECORD, _SPARE = "record", "spare"
_TIMES = ("lifetime", "expires_at", "margin", "refresh_expires_at")


def seal_record(seal: Seal, record: Record) -> bytes:
    """Return the record sealed; its generation stays outside, Redis gives it."""
    content: dict[str, Secret | float] = {name: getattr(record, name) for name in _TIMES}
    content["provisional"] = record.provisional
    content["access_token"] = record.access_token
    content["refresh_token"] = record.refresh_token
    return seal.close(_RECORD, content)


def open_record(seal: Seal, generation: int, sealed: bytes) -> Record | None:
    """Return the record, or None where it was sealed by something else."""
    try:
        content = seal.open(_RECORD, sealed, _hide)
        return Record(
            generation=generation,
            provisional=int(content["provisional"]),
            access_token=content["access_token"],
            refresh_token=content["refresh_token"],
            **{name: float(content[name]) for name in _TIMES},
        )
    except (UnsealError, KeyError, TypeError, ValueError):
        return None


def seal_spare(seal: Seal, spare: Spare) -> bytes:
    """Return the spare sealed."""
    content = {"refresh_token": spare.refresh_token, "expires_at": spare.expires_at}
    return seal.close(_SPARE, content)


def open_spare(seal: Seal, sealed: bytes) -> Spare | None:
    """Return the spare, or None where it was sealed by something else."""
    try:
        content = seal.open(_SPARE, sealed, _hide)
        return Spare(content["refresh_token"], float(content["expires_at"]))
    except (UnsealError, KeyError, TypeError, ValueError):
        return None


def _hide(content: dict[str, Any]) -> dict[str, Any]:
    """Wrap all text in what was sealed: the tokens are the only text in it."""
    return {
        name: Secret(value) if isinstance(value, str) else value for name, value in content.items()
    }


def open_snapshot(seal: Seal, reply: list[bytes | int], known: int) -> Snapshot:
    """Return the snapshot that a script answered (``prelude.lua`` gives the order)."""
    now, generation, foreign, presented, refused, sealed, spare, *rest = reply
    remaining, failures, failure, latched, lease = rest
    number = int(generation)
    return Snapshot(
        now=int(now) / MICROSECONDS,
        generation=number,
        record=open_record(seal, number, sealed) if isinstance(sealed, bytes) and sealed else None,
        unchanged=number == known != 0,
        foreign=bool(foreign),
        refused=bool(refused),
        spare=open_spare(seal, spare) if isinstance(spare, bytes) and spare else None,
        presented=bool(presented),
        backoff=_backoff(int(remaining), int(failures), failure, int(latched)),
        lease_remaining=int(lease) / 1000,
    )


def _backoff(remaining: int, failures: int, failure: bytes | int, latched: int) -> Backoff | None:
    if not failures or not isinstance(failure, bytes):
        return None
    return Backoff(remaining / MICROSECONDS, failures, failure.decode(), bool(latched))
