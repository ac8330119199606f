"""Records to sealed values and back."""

import sys
from dataclasses import asdict, replace
from typing import Any

from broker.failure_kinds import known_kind
from broker.limits import Limits
from broker.ports import Backoff, Snapshot
from broker.secret import Secret
from broker.store.damage import is_generation_of
from broker.store.seal import Seal, UnsealError
from broker.store.vouch import Vouch, vouched
from broker.store_damage import Damage, Defect, Part
from broker.tokens import Flaw, Record, Spare, Stamp

MICROSECONDS = 1_000_000
_RECORD, _SPARE, _VOUCH = "record", "spare", "backoff"
_YES = "1"
_LAST_WORD = 11
"""The place of the word that may be empty, in an answer."""
_SPARED = ("refresh_token", "expires_at", "generation")
_TIMES = ("lifetime", "expires_at", "margin")
_NO_TOKEN = Secret("")


def seal_record(seal: Seal, record: Record) -> bytes:
    """Return the record sealed, with the generation that its writer knows; Redis may raise it."""
    content: dict[str, Any] = {name: getattr(record, name) for name in _TIMES}
    content |= {"generation": record.generation, "provisional": record.provisional}
    if record.stamp is not None:
        content |= {"stamp_redis": record.stamp.redis, "stamp_host": record.stamp.host}
    content["access_token"] = record.access_token
    # A worker of an older version wants both, and takes these for a token whose life is over.
    content["refresh_token"] = record.refresh_token or _NO_TOKEN
    content["refresh_expires_at"] = record.refresh_expires_at or record.expires_at - record.lifetime
    content["flaws"] = sorted(record.flaws)
    return seal.close(_RECORD, content)


def open_record(seal: Seal, generation: int, sealed: bytes) -> Record | None:
    """Return the record; None where another version of the broker wrote what is not known here.

    Raises :class:`UnsealError` where it was sealed by something else, or not for this generation.
    """
    content = seal.open(_RECORD, sealed, _hide)
    try:
        record = Record(
            # Earlier versions did not seal it; the provisional one is near.
            generation=int(content.get("generation", content["provisional"])),
            provisional=int(content["provisional"]),
            access_token=content["access_token"],
            refresh_token=content["refresh_token"] or None,
            refresh_expires_at=(
                float(content["refresh_expires_at"]) if content["refresh_token"] else None
            ),
            flaws=frozenset(flaw for flaw in Flaw if flaw in content.get("flaws", ())),
            stamp=_stamp(content),
            **{name: float(content[name]) for name in _TIMES},
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    if not is_generation_of(record, generation):
        raise UnsealError
    return replace(record, generation=generation)


def _stamp(content: dict[str, Any]) -> Stamp | None:
    if "stamp_redis" not in content:  # written by an earlier version
        return None
    return Stamp(float(content["stamp_redis"]), float(content["stamp_host"]))


def seal_spare(seal: Seal, spare: Spare) -> bytes:
    """Return the spare sealed."""
    return seal.close(_SPARE, {name: getattr(spare, name) for name in _SPARED})


def open_spare(seal: Seal, generation: int, sealed: bytes) -> Spare | None:
    """Return the spare; None where something else sealed it, or for another generation."""
    try:
        content = seal.open(_SPARE, sealed, _hide)
        beside = content.get("generation")  # earlier versions did not seal it
        spare = Spare(content["refresh_token"], float(content["expires_at"]), beside)
    except (UnsealError, AttributeError, KeyError, TypeError, ValueError):
        return None
    return spare if spare.is_beside(generation) else None


def seal_vouch(seal: Seal, vouch: Vouch | None) -> bytes:
    """Return it sealed; empty for none."""
    return b"" if vouch is None else seal.close(_VOUCH, asdict(vouch))


def open_vouch(seal: Seal, sealed: bytes) -> Vouch | None:
    """Return what vouches for a pause, or None where it was sealed by something else."""
    try:
        content = seal.open(_VOUCH, sealed)
        latched = bool(content["latched"])
        return Vouch(
            float(content["until"]),
            int(content["generation"]),
            latched,
            int(content.get("refusals", latched)),  # earlier versions did not seal the rest
            str(content.get("writing", "")),
            float(content.get("acted", 0)),
        )
    except (UnsealError, KeyError, TypeError, ValueError):
        return None


def _hide(content: dict[str, Any]) -> dict[str, Any]:
    """Wrap all text in what was sealed: the tokens are the only text in it."""
    return {
        name: Secret(value) if isinstance(value, str) else value for name, value in content.items()
    }


def open_snapshot(seal: Seal, reply: list[bytes], known: int, limits: Limits) -> Snapshot:
    """Return the snapshot that a script answered (``prelude.lua`` gives the order).

    Raises :class:`UnsealError` where its record is not sound (:func:`open_record`), and
    :class:`~broker.store.vouch.UnvouchedError` where a pause is not.
    """
    words, sealed, spare, vouch = reply
    now, server, number, written, *rest = words.decode().split(" ", _LAST_WORD)
    foreign, presented, refused, remaining, failures, latched, lease, failure = rest
    generation = int(number)
    record = open_record(seal, generation, sealed) if sealed else None
    backoff = _backoff(int(remaining), int(failures), failure, latched)
    if backoff is not None:
        found = open_vouch(seal, vouch) if vouch else None
        backoff = vouched(backoff, found, int(now) / MICROSECONDS, generation, limits)
    return Snapshot(
        now=int(now) / MICROSECONDS,
        generation=generation,
        record=record,
        unchanged=generation == known != 0,
        foreign=foreign == _YES,
        refused=refused == _YES,
        spare=open_spare(seal, generation, spare) if spare else None,
        presented=presented == _YES,
        backoff=backoff,
        lease_remaining=int(lease) / 1000,
        server=sys.intern(server),
        written=int(written) / MICROSECONDS,
    )


def _backoff(remaining: int, failures: int, failure: str, latched: str) -> Backoff | None:
    if not failures:
        return None
    return Backoff(remaining / MICROSECONDS, failures, known_kind(failure), latched == _YES)


def open_damage(reply: bytes) -> list[Damage]:
    """Return what ``mend.lua`` has removed."""
    words = reply.decode().split(",") if reply else ()
    pairs = (word.split(":") for word in words)
    return [Damage(Part(part), Defect(defect)) for part, defect in pairs]


def open_calm(reply: bytes) -> tuple[float, str, list[bool]] | None:
    """Return time, name of the server, and who is calm; None where it cannot tell."""
    now, server, flags = reply.decode().split(" ")
    if not flags:
        return None
    return int(now) / MICROSECONDS, sys.intern(server), [flag == _YES for flag in flags]


def reckoned_time(record: Record) -> int | str:
    """Return Redis's time as the writer reckons it, in microseconds; empty if it does not say."""
    return microseconds(record.stamp.redis) if record.stamp else ""


def microseconds(seconds: float) -> int:
    """Return whole microseconds."""
    return round(seconds * MICROSECONDS)


def milliseconds(seconds: float) -> int:
    """Return whole milliseconds, at least one: Redis takes no life of none."""
    return max(1, round(seconds * 1000))
