"""The object that both calls answer with, read through a schema (``canvas-api.md``)."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from marshmallow import EXCLUDE, Schema, ValidationError, fields

from broker.secret import Secret
from broker.upstream.kinds import FailureKind

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


_bearer_token = _token(rf"(?i:Bearer) ([\x21-\x7e]{{1,{_LONGEST_ACCESS_TOKEN}}})")
_refresh_token = _token(rf"([\x21-\x7e]{{1,{_LONGEST_REFRESH_TOKEN}}})")


class AnswerSchema(Schema):
    """The four fields; further ones are ignored.

    Tokens are visible ASCII without a space, since they become a header and a query: the refresh
    token is documented as 32 hexadecimal digits, but nothing rests on that. The prefix of the
    access token may be written in any case, as in HTTP.
    """

    class Meta:
        """Canvas may add fields."""

        unknown = EXCLUDE

    access_token = fields.Function(deserialize=_bearer_token, required=True)
    access_expires = fields.Function(
        deserialize=_instant, required=True, data_key="accessTokenExpiresDateTime"
    )
    refresh_token = fields.Function(deserialize=_refresh_token, required=True)
    refresh_expires = fields.Function(
        deserialize=_instant, required=True, data_key="refreshTokenExpiresDateTime"
    )


@dataclass(frozen=True, slots=True)
class Fields:
    """What a 200 said: a good refresh token, and the access token's side as far as it is good."""

    access_token: Secret | None
    access_expires: float | None
    refresh_token: Secret
    refresh_expires: float


def read_fields(body: bytes) -> Fields | FailureKind:
    """Return the fields, or the word for a body without a good refresh token and its expiry."""
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return FailureKind.UNREADABLE
    try:
        good = AnswerSchema().load(parsed)
    except ValidationError as error:
        good = error.valid_data
    if not isinstance(good, dict) or not {"refresh_token", "refresh_expires"} <= good.keys():
        return FailureKind.BAD_ANSWER
    return Fields(
        access_token=good.get("access_token"),
        access_expires=good.get("access_expires"),
        refresh_token=good["refresh_token"],
        refresh_expires=good["refresh_expires"],
    )
