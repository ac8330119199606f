"""What a worker tells as bytes and back; what is not exactly of this form is not read.

The form is made from the types themselves. A sibling of another version, as there may be for a
moment after an upgrade in place, has other fields and is told apart by them. Of organizations there
are thousands: they are columns, each of which is written, read and checked as a whole. One value is
that of all; fractions are the bytes of doubles in base64, where NaN is None.
"""

import json
import math
from array import array
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType
from typing import Any, NoReturn, TypeVar, get_args, get_type_hints

from broker.pod.snapshot import FilesReport, OrganizationHistory, WorkerHistories, WorkerSnapshot
from broker.policy.health import OrganizationHealth
from broker.policy.history import Event
from broker.tokens import State

_NAMES: dict[type, tuple[str, ...]] = {
    kind: tuple(field.name for field in fields(kind))
    for kind in (WorkerSnapshot, FilesReport, WorkerHistories, OrganizationHistory, Event)
}
_COLUMNS = get_type_hints(OrganizationHealth)
_STATES: dict[str, State] = {str(state): state for state in State}
Reader = Callable[[Any], Any]
T = TypeVar("T", WorkerSnapshot, WorkerHistories)


class UnreadableSnapshotError(Exception):
    """These bytes are nothing of this version; the message holds nothing of them."""


def to_bytes(told: WorkerSnapshot | WorkerHistories) -> bytes:
    """Return what a worker tells as JSON; raises ValueError where a number is not finite."""
    compact = (",", ":")
    return json.dumps(told, default=_fields_of, separators=compact, allow_nan=False).encode()


def from_bytes(data: bytes, kind: type[T]) -> T:
    """Return what ``data`` holds; raises :class:`UnreadableSnapshotError`."""
    try:
        hint: Any = kind
        read = _reader(hint)(json.loads(data, parse_constant=_refuse))
    except (ValueError, TypeError, RecursionError):
        raise UnreadableSnapshotError("not a snapshot of this version") from None
    assert isinstance(read, kind)  # noqa: S101  # for the type checker
    return read


def names_in(question: bytes) -> list[str]:
    """Return the organizations that a sibling asks for; raises ValueError."""
    return list(_tuple_reader(str)(json.loads(question)))


def _fields_of(value: Any) -> dict[str, Any]:
    told = {name: getattr(value, name) for name in _NAMES[type(value)]}
    if isinstance(value, WorkerSnapshot):
        columns = zip(_COLUMNS.items(), zip(*value.organizations, strict=True), strict=False)
        told["organizations"] = {name: _column(one, hint) for (name, hint), one in columns}
    return told


def _column(values: Sequence[Any], hint: Any) -> Sequence[Any]:
    if len(set(values)) == 1:
        return values[:1]
    if not _is_number(hint):
        return values
    if not all(map(math.isfinite, filter(None, values))):
        _refuse(values)
    numbers = array("d", [math.nan if one is None else one for one in values])
    return b64encode(numbers.tobytes()).decode()


def _is_number(hint: Any) -> bool:
    return float in (get_args(hint) or (hint,))


@cache
def _reader(hint: Any) -> Reader:
    """Return what reads a value of the type ``hint``; raises ValueError for any other."""
    if isinstance(hint, type) and is_dataclass(hint):
        return _object_reader(hint)
    arguments = get_args(hint)
    if arguments and arguments[0] is OrganizationHealth:
        return _read_organizations
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


def _read_organizations(value: Any) -> tuple[OrganizationHealth, ...]:
    """Read columns of one length; nothing at all are no organizations."""
    if value == {}:
        return ()
    if not isinstance(value, dict) or value.keys() != _COLUMNS.keys():
        _refuse(value)
    size = len(value["organization"])
    columns = [_read_column(value[name], hint, size) for name, hint in _COLUMNS.items()]
    return tuple(map(OrganizationHealth._make, zip(*columns, strict=True)))


def _read_column(column: Any, hint: Any, size: int) -> Sequence[Any]:
    """Return the values of one field; for strings and whole numbers their types are enough."""
    if isinstance(column, str) and _is_number(hint):
        numbers = [
            None if math.isnan(one) else one for one in array("d", b64decode(column, validate=True))
        ]
        if math.inf in numbers or -math.inf in numbers or (hint is float and None in numbers):
            _refuse(column)
        return numbers
    if not isinstance(column, list):
        _refuse(column)
    if len(column) == 1:
        return list(map(_reader(hint), column)) * size
    kinds = set(get_args(hint) or (hint,))
    if not kinds <= _BY_TYPE:
        return list(map(_reader(hint), column))
    if not set(map(type, column)) <= kinds:
        _refuse(column)
    return column


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
    state = _STATES.get(value) if type(value) is str else None
    return _refuse(value) if state is None else state


def _refuse(value: Any) -> NoReturn:
    del value
    raise ValueError


_PLAIN: dict[Any, Reader] = {
    **{kind: _plain_reader(kind) for kind in (str, int, bool)},
    float: _read_number,
    State: _read_state,
}
_BY_TYPE = {str, int, bool, NoneType}
