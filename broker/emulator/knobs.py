"""Every knob, as one closed schema: which there are, what they may be, which exclude each other."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, validate, validates_schema
from marshmallow import fields as kinds

from broker.emulator.canvas import Behaviour, Sessions
from broker.emulator.edge import Encoding
from broker.emulator.faults import (
    Absence,
    Body,
    Calls,
    Drop,
    Expiry,
    Fault,
    Hold,
    RetryAfter,
)
from broker.emulator.minting import Utc

INTERIM = (100, 102, 103)
STATUSES = (401, 404, 429, 500, 502, 503, 504)
_MINUTE = 60
_YEAR = 366 * 86400
_SCOPE = frozenset({"calls", "organization", "times"})
_STANDING = frozenset(one.name for one in fields(Behaviour))
_FLAWS = frozenset({"expiry", "refresh_token", "refresh_expiry", "prefix"})
_EDGE = frozenset({"interim", "encoding", "headers"})
_WHOLE_BODIES = (Body.HTML, Body.EMPTY)


class KnobError(ValueError):
    """A knob is unknown, out of range or contradicts another; the sentence names it."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a request turns: knobs that stay until a reset, and perhaps a fault."""

    standing: dict[str, Any] = field(default_factory=dict)
    fault: Fault | None = None
    times: int | None = 1


def _number(least: float, most: float) -> kinds.Float:
    allowed = f"a number from {least:g} to {most:g}"
    return kinds.Float(validate=validate.Range(least, most), metadata={"allowed": allowed})


def _whole(least: int, most: int, *, none: str = "") -> kinds.Integer:
    return kinds.Integer(
        strict=True,
        allow_none=bool(none),
        validate=validate.Range(least, most),
        metadata={"allowed": f"a whole number from {least} to {most}{none}"},
    )


def _choice(enum: type[Enum]) -> kinds.Enum[Any]:
    allowed = "one of " + ", ".join(str(member.value) for member in enum)
    return kinds.Enum(enum, by_value=True, metadata={"allowed": allowed})


def _flag() -> kinds.Boolean:
    return kinds.Boolean(metadata={"allowed": "true or false"})


class Knobs(Schema):
    """One request to ``/_emulator/faults``."""

    class Meta:
        """Unknown names are refused."""

        unknown = RAISE

    access_lifetime_authenticate = _number(0.1, _YEAR)
    access_lifetime_refresh = _number(0.1, _YEAR)
    refresh_lifetime = _number(0.1, _YEAR)
    sessions = _choice(Sessions)
    grace = _number(0, _YEAR)
    reuse_revokes_family = _flag()
    clock_shift = _number(-_YEAR, _YEAR)
    date_shift = _number(-_YEAR, _YEAR)
    fraction_digits = _whole(0, 9)
    drop_zeros = _flag()
    utc_as = _choice(Utc)
    cache = _number(0, _YEAR)
    cache_tells_age = _flag()
    cache_obeys = _flag()

    calls = _choice(Calls)
    organization = kinds.String(metadata={"allowed": "the name of an organization"})
    times = _whole(1, 1_000_000, none=", or null for every call until a reset")

    latency = _number(0, _MINUTE)
    hold = _choice(Hold)
    drop = _choice(Drop)
    status = kinds.Integer(
        strict=True,
        validate=validate.OneOf(STATUSES),
        metadata={"allowed": "one of " + ", ".join(map(str, STATUSES))},
    )
    retry_after = _whole(0, 86400)
    retry_after_as = _choice(RetryAfter)
    work = _flag()
    body = _choice(Body)
    expiry = _choice(Expiry)
    refresh_token = _choice(Absence)
    refresh_expiry = _choice(Expiry)
    prefix = _flag()
    interim = kinds.Integer(
        strict=True,
        validate=validate.OneOf(INTERIM),
        metadata={"allowed": "one of " + ", ".join(map(str, INTERIM))},
    )
    encoding = _choice(Encoding)
    headers = _whole(1, 2000)
    drip = _number(0.001, _MINUTE)

    @validates_schema
    def check_together(self, data: dict[str, Any], **_: object) -> None:
        """Refuse knobs that contradict each other."""
        if found := list(_contradictions(data)):
            raise ValidationError(found)


def _contradictions(given: Mapping[str, Any]) -> Iterator[str]:
    faults = given.keys() - _STANDING - _SCOPE
    if not given:
        yield "nothing to turn: " + _names()
    if not faults and given.keys() & _SCOPE:
        yield "calls, organization and times say which calls a fault hits, and no fault is given"
    yield from _of_no_answer(given.keys(), faults)
    yield from _of_the_good_answer(given, ", ".join(sorted(faults & _FLAWS)))
    if "status" in given and given.get("body", Body.EMPTY) not in _WHOLE_BODIES:
        yield "with a status, body is html or empty: the others are made of the good answer"
    if "retry_after" in given and "status" not in given:
        yield "retry_after needs a status"
    if "retry_after_as" in given and "retry_after" not in given:
        yield "retry_after_as needs retry_after"
    if "work" in given and "status" not in given and given.get("body") not in _WHOLE_BODIES:
        yield "work needs a status, or the body html or empty: any other answer is that of the work"


def _of_no_answer(given: AbstractSet[str], faults: AbstractSet[str]) -> Iterator[str]:
    useless = ", ".join(sorted(faults & {"status", "body", "drip", "work", *_FLAWS, *_EDGE}))
    if "drop" in given and useless:
        yield f"drop leaves no answer, so {useless} cannot go with it"


def _of_the_good_answer(given: Mapping[str, Any], flaws: str) -> Iterator[str]:
    if "status" in given and flaws:
        yield f"{flaws} changes the good answer, so status cannot go with it"
    if "body" in given and flaws:
        yield f"body and {flaws} both replace parts of the answer: give one of them"
    if "encoding" in given and given.get("body") is Body.TRUNCATED:
        yield "encoding changes the length, so the body cannot be truncated"


def read_knobs(given: object) -> Change:
    """Return what ``given`` (parsed JSON) turns; raises :class:`KnobError` naming all mistakes."""
    schema = Knobs()
    if not isinstance(given, Mapping):
        raise KnobError(f"the body must be a JSON object; {_names()}")
    try:
        data: dict[str, Any] = schema.load(given)
    except ValidationError as error:
        sentence = "; ".join(_sentences(error.messages_dict, schema))
        raise KnobError(sentence) from None
    standing = {name: value for name, value in data.items() if name in _STANDING}
    times = data.pop("times", 1)
    rest = {name: value for name, value in data.items() if name not in _STANDING}
    return Change(standing, Fault(**rest) if rest else None, times)


def _sentences(messages: Mapping[str, Any], schema: Schema) -> Iterator[str]:
    yield from messages.get("_schema", ())
    for name in sorted(messages.keys() & schema.fields.keys()):
        yield f"{name} must be {schema.fields[name].metadata['allowed']}"
    if unknown := messages.keys() - schema.fields.keys() - {"_schema"}:
        yield ", ".join(sorted(str(name)[:40] for name in unknown)) + f": no such knob; {_names()}"


def _names() -> str:
    return "the knobs are " + ", ".join(sorted(Knobs().fields))
