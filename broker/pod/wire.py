"""A worker's snapshot as bytes and back; what is not exactly of this form is not read.

The form is made from the dataclasses themselves. A sibling of another version, as there may be for
a moment after an upgrade in place, has other fields and is told apart by them.
"""

import json
import math
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType
from typing import Any, NoReturn, get_args, get_type_hints

from broker.pod.snapshot import FilesReport, WorkerSnapshot
from broker.policy.health import OrganizationHealth
from broker.policy.history import Event
from broker.tokens import State

_NAMES: dict[type, tuple[str, ...]] = {
    kind: tuple(field.name for field in fields(kind))
    for kind in (WorkerSnapshot, FilesReport, OrganizationHealth, Event)
}
Reader = Callable[[Any], Any]


class UnreadableSnapshotError(Exception):
    """These bytes are no snapshot of this version; the message holds nothing of them."""


def to_bytes(snapshot: WorkerSnapshot) -> bytes:
    """Return the snapshot as JSON; raises ValueError where a number is not finite."""
    compact = (",", ":")
    return json.dumps(snapshot, default=_fields_of, separators=compact, allow_nan=False).encode()


def from_bytes(data: bytes) -> WorkerSnapshot:
    """Return the snapshot that ``data`` holds; raises :class:`UnreadableSnapshotError`."""
    try:
        read = _reader(WorkerSnapshot)(json.loads(data, parse_constant=_refuse))
    except (ValueError, RecursionError):
        raise UnreadableSnapshotError("not a snapshot of this version") from None
    assert isinstance(read, WorkerSnapshot)  # noqa: S101  # for the type checker
    return read


def _fields_of(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in _NAMES[type(value)]}


@cache
def _reader(hint: Any) -> Reader:
    """Return what reads a value of the type ``hint``; raises ValueError for any other."""
    if isinstance(hint, type) and is_dataclass(hint):
        return _object_reader(hint)
    arguments = get_args(hint)
    if NoneType in arguments:
        return _optional_reader(next(one for one in arguments if one is not NoneType))
    if arguments:
        return _tuple_reader(arguments[0])
    return _PLAIN[hint]


def _object_reader(kind: type) -> Reader:
    readers = {name: _reader(hint) for name, hint in get_type_hints(kind).items()}

    def read(value: Any) -> Any:
        if not isinstance(value, dict) or value.keys() != readers.keys():
            _refuse(value)
        return kind(**{name: read_one(value[name]) for name, read_one in readers.items()})

    return read


def _tuple_reader(hint: Any) -> Reader:
    read_one = _reader(hint)

    def read(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            _refuse(value)
        return tuple(map(read_one, value))

    return read


def _optional_reader(hint: Any) -> Reader:
    read_one = _reader(hint)
    return lambda value: None if value is None else read_one(value)


def _plain_reader(kind: type) -> Reader:
    """Return a reader of exactly this type: True is no number."""

    def read(value: Any) -> Any:
        if type(value) is not kind:
            _refuse(value)
        return value

    return read


def _read_number(value: Any) -> float:
    if type(value) not in {int, float} or not math.isfinite(value):
        _refuse(value)
    return float(value)


def _read_state(value: Any) -> State:
    if type(value) is not str:
        _refuse(value)
    return State(value)


def _refuse(value: Any) -> NoReturn:
    del value
    raise ValueError


_PLAIN: dict[Any, Reader] = {
    **{kind: _plain_reader(kind) for kind in (str, int, bool)},
    float: _read_number,
    State: _read_state,
}
