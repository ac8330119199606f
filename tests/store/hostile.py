"""What somebody who can write to Redis may put there: any field of any key, any type, any life.

Each way exists twice: raw, on the keys of a server, and typed, on the shelf that plays one.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import inf, nan
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from tests.memory_store.shelf import Shelf

MEND = Path(__file__).parents[2] / "broker" / "store" / "lua" / "mend.lua"
_FIELD = re.compile(r"'(\w+)', (INSTANT|SEALED|TEXT|COUNT|FLAG|WORD)\b")
_KEY = re.compile(r"^  (\w+) = \{(.*?)\}", re.MULTILINE | re.DOTALL)


def fields() -> dict[str, dict[str, str]]:
    """Return the form of each field of each hash, as ``mend.lua`` knows them."""
    table = MEND.read_text("utf-8").split("local FIELDS")[1].split("\nlocal function")[0]
    return {key: dict(_FIELD.findall(body)) for key, body in _KEY.findall(table)}


FIELDS = fields()
PARTS = tuple(FIELDS)
_LONG = b"9" * 70_000
_NO_NUMBERS = (b"", b"nan", b"-1", b"-inf", b"1e5", b"0x10", b" 5", b"\xff\x00", b"9" * 20, _LONG)
UNSOUND: dict[str, tuple[bytes, ...]] = {
    "INSTANT": (*_NO_NUMBERS, b"9007199254740992", b"9" * 16),
    "COUNT": (*_NO_NUMBERS, b"1000000000"),
    "FLAG": (b"", b"2", b"yes", b"\xff", _LONG),
    "WORD": (b"", b"Timeout", b"two words", b"x" * 65, b"\xff", _LONG),
    "TEXT": (b"x" * 1025, _LONG),
    "SEALED": (b"x" * 65_537,),
}
"""Values that no broker writes, by the form of the field."""
ANYTHING: tuple[Any, ...] = (
    *(None, "", "x", "x" * 70_000, b"", b"\xff", True, False, 0, 1, -1, 10**400, -(10**400)),
    *(0.5, nan, inf, -inf, 1e300, [], {}, (), (1,), ("a", 2), object(), 1 + 2j),
)
"""Values of any type for the fields of a shelf."""
ATTRIBUTES = tuple(Shelf.__dataclass_fields__)
_INNER = ("failures", "failure", "latched", "refusals", "remaining")


_INSTANTS = {
    ("record", "generation"): "generation",
    ("record", "written"): "written",
    ("backoff", "until"): "backoff_until",
    ("backoff", "written"): "backoff_written",
    ("lease", "written"): "lease_written",
    ("report", "written"): "report_written",
}
_TEXTS = {
    ("record", "attempt"): "attempt",
    ("record", "server"): "server",
    ("record", "presented"): "presented",
    ("record", "seen"): "seen",
    ("record", "spare_attempt"): "spare_attempt",
    ("record", "spare_server"): "spare_server",
    ("record", "spare_presented"): "spare_presented",
    ("lease", "attempt"): "lease.0",
    ("lease", "server"): "lease.1",
    ("backoff", "attempt"): "backoff_attempt",
    ("backoff", "server"): "backoff_server",
    ("backoff", "failure"): "backoff.failure",
}
_COUNTS = {("backoff", "failures"): "backoff.failures"}
_GARBAGE = {("record", "sealed"): "record", ("record", "spare"): "spare"}
_ENDS = {
    "record": "ends",
    "lease": "lease_until",
    "backoff": "backoff_ends",
    "report": "report_until",
}


class Tamper(NamedTuple):
    """One thing that a hostile writer does, raw on a server and typed on a shelf.

    ``field`` empty: the key itself gets the end ``raw`` in ms from now, or none for None.
    """

    part: str
    field: str
    raw: Any
    name: str
    value: Any


def draw_tamper(random: Random, now: float, names: Sequence[str]) -> Tamper:
    """Return a change of one field to a value that is sound, or is not; ``names`` are in use."""
    kind = random.choice(["instant"] * 3 + ["text"] * 3 + ["count", "garbage", "end", "end"])
    if kind == "end":
        part, name = random.choice([*_ENDS.items()])
        left = random.choice([None, 4.5, 333.3, 5_000_000.7])
        raw = None if left is None else round(left * 1000)
        return Tamper(part, "", raw, name, inf if left is None else now + left)
    table = {"instant": _INSTANTS, "text": _TEXTS, "count": _COUNTS, "garbage": _GARBAGE}[kind]
    (part, field), name = random.choice([*table.items()])
    if kind == "garbage":
        return Tamper(part, field, b"garbage", name, "garbage")
    if kind == "count":
        number = random.choice([-1, 0, 1, 7, 999_999_999, 10**9])
        return Tamper(part, field, number, name, number)
    if kind == "text":
        word = random.choice([*names, *names, "timeout", "x" * 1025])
        return Tamper(part, field, word, name, word)
    off = random.choice([-0.5, -30.5, 30.5, 5000.5, -90_000.0, 90_000.0, 4e9, 8e9])
    number = random.choice([round((now + off) * 1e6)] * 6 + [-1, 2**53])
    typed = number if name == "generation" else number / 1e6
    return Tamper(part, field, number, name, typed)


def mutations() -> Iterator[tuple[str, Any]]:
    """Yield the names of all fields of a shelf, with each of the values of any type."""
    for name in (*ATTRIBUTES, *(f"backoff.{inner}" for inner in _INNER), "lease.0", "lease.1"):
        for value in ANYTHING:
            yield name, value


def mutate(shelf: Shelf, name: str, value: Any) -> None:
    """Put a value into a field of a shelf, or of what lies in it."""
    name, _, inner = name.partition(".")
    if not inner:
        setattr(shelf, name, value)
    elif name == "backoff" and shelf.backoff is not None:
        shelf.backoff = replace(shelf.backoff, **{inner: value})
    elif name == "lease" and shelf.lease is not None:
        lease = [*shelf.lease]
        lease[int(inner)] = value
        shelf.lease = tuple(lease)  # type: ignore[assignment]  # of any type
