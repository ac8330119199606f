"""The object that both calls answer with, read through a schema (``canvas-api.md``)."""

import json
import re
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from marshmallow import EXCLUDE, Schema, ValidationError, fields

from broker.failure_kinds import FailureKind
from broker.secret import Secret
from broker.tokens import Flaw

_LONGEST_ACCESS_TOKEN = 16384
_LONGEST_REFRESH_TOKEN = 1024


def _token(pattern: str) -> Callable[[object], Secret]:
    """Return a reader of strings that fit ``pattern``, whose first group is the token."""
    compiled = re.compile(pattern)

    def read(value: object) -> Secret:
        found = compiled.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            raise ValidationError("Not a token.")
        return Secret(found[1])

    return read


def _instant(value: object) -> float:
    """Return the Unix seconds of an ISO 8601 instant with an offset and any number of digits."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValidationError("Not an instant.")
    return moment.timestamp()


_PREFIX = "bearer "
_access_token = _token(
    rf"(?:(?i:{_PREFIX}))?(?!(?i:{_PREFIX.strip()})$)([\x21-\x7e]{{1,{_LONGEST_ACCESS_TOKEN}}})"
)
_refresh_token = _token(rf"([\x21-\x7e]{{1,{_LONGEST_REFRESH_TOKEN}}})")


class AnswerSchema(Schema):
    """The four fields; further ones are ignored, and null is as missing.

    Tokens are visible ASCII without a space, since they become a header and a query: the refresh
    token is documented as 32 hexadecimal digits, but nothing rests on that. The prefix of the
    access token may be written in any case, as in HTTP, or be missing.
    """

    class Meta:
        """Canvas may add fields."""

        unknown = EXCLUDE

    access_token = fields.Function(deserialize=_access_token, required=True)
    access_expires = fields.Function(
        deserialize=_instant, required=True, data_key="accessTokenExpiresDateTime"
    )
    refresh_token = fields.Function(deserialize=_refresh_token, required=True)
    refresh_expires = fields.Function(
        deserialize=_instant, required=True, data_key="refreshTokenExpiresDateTime"
    )


_FLAWS = {
    "accessTokenExpiresDateTime": (Flaw.NO_ACCESS_EXPIRY, Flaw.BAD_ACCESS_EXPIRY),
    "refresh_token": (Flaw.NO_REFRESH_TOKEN, Flaw.BAD_REFRESH_TOKEN),
    "refreshTokenExpiresDateTime": (Flaw.NO_REFRESH_EXPIRY, Flaw.BAD_REFRESH_EXPIRY),
}
"""Of each field beside the access token: what it is called when missing, and when unreadable."""


@dataclass(frozen=True, slots=True)
class Fields:
    """What a 200 said, as far as it is good; ``flaws`` tells why the rest is not."""

    access_token: Secret | None = None
    access_expires: float | None = None
    refresh_token: Secret | None = None
    refresh_expires: float | None = None
    flaws: frozenset[Flaw] = frozenset()


def read_fields(body: bytes) -> Fields | FailureKind:
    """Return the fields, or the word for a body that is no JSON, or no object."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return FailureKind.UNREADABLE
    if not isinstance(parsed, dict):
        return FailureKind.BAD_ANSWER
    bad: AbstractSet[str] = frozenset()
    try:
        good = AnswerSchema().load(parsed)
    except ValidationError as error:
        good, bad = cast("dict[str, Any]", error.valid_data), error.messages_dict.keys()
    return Fields(**good, flaws=frozenset(_flaws(parsed, bad)))


def _flaws(parsed: dict[str, object], bad: AbstractSet[str]) -> Iterator[Flaw]:
    for name in _FLAWS.keys() & bad:
        yield _FLAWS[name][parsed.get(name) is not None]
    if "access_token" not in bad and not str(parsed["access_token"]).lower().startswith(_PREFIX):
        yield Flaw.NO_PREFIX
