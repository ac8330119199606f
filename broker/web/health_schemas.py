"""What the health paths answer, as marshmallow schemas."""

from collections.abc import Iterable
from typing import Any

from marshmallow import RAISE, Schema, fields, validate

from broker.errors import FailureClass
from broker.metrics.words import FILES
from broker.policy.history import ELSEWHERE, REMEMBERED, SUCCESS
from broker.tokens import Flaw, Kind, State
from broker.web.schemas import WholeNumber, describe, organization_name

LONGEST_PAGE = 1000
LAST_PAGE = 1_000_000
_WORDS = validate.OneOf(["pass", "warn", "fail"])


def _word() -> "fields.String":
    return fields.String(required=True, validate=_WORDS, metadata=describe("How it is."))


def _text(meaning: str, **more: Any) -> "fields.String":
    return fields.String(required=True, metadata=describe(meaning), **more)


def _one_of(words: Iterable[str], meaning: str, **more: Any) -> "fields.String":
    return _text(meaning, validate=validate.OneOf([str(word) for word in words]), **more)


def _sentence() -> "fields.String":
    return _text("What is wrong and what to do, or that all is well, in plain words.")


def _number(meaning: str, *, allow_none: bool = True) -> "fields.Integer":
    return fields.Integer(required=True, allow_none=allow_none, metadata=describe(meaning))


def _tenths(meaning: str) -> "fields.Float":
    return fields.Float(required=True, allow_none=True, metadata=describe(meaning))


def _flag(meaning: str) -> "fields.Boolean":
    return fields.Boolean(required=True, metadata=describe(meaning))


def _list(schema: type[Schema], **more: Any) -> "fields.List[Any]":
    return fields.List(fields.Nested(schema), required=True, **more)


class HealthQuery(Schema):
    """Which organizations are listed; closed."""

    organization = organization_name("List this one alone.")
    search = fields.String(metadata=describe("List those with this in their names."))
    page = WholeNumber(1, LAST_PAGE, "Which page of them, the worst first; 1 by default.")
    limit = WholeNumber(1, LONGEST_PAGE, "How many are on a page; 100 by default.")


class ProbeAnswer(Schema):
    """The answer of a probe."""

    status = _word()


class OrganizationEvent(Schema):
    """One upstream call of this pod, or a token that came from elsewhere."""

    seconds_ago = _number("Since it ended, or since that token was minted.", allow_none=False)
    kind = _one_of([*Kind, ELSEWHERE], "The call, or `elsewhere` for another pod's.")
    seconds = _tenths("That the call took, in tenths; null for `elsewhere`.")
    outcome = _one_of([SUCCESS, *FailureClass], "What became of it.")
    error = _text("Kind of the failure.", allow_none=True)


class OrganizationCheck(Schema):
    """One organization's token; durations in whole seconds."""

    componentId = _text("The organization.")  # noqa: N815  # a name of the health format
    status = _word()
    output = _sentence()
    state = _one_of(State, "The token's state.")
    generation = _number("That of the newest token served.")
    expires_in = _number("Until the access token expires.")
    refresh_expires_in = _number("Until the refresh token expires; null without one.")
    margin = _number("Before expiry, from which on the token is refreshed.")
    lifetime = _number("Full life of the access token.")
    refresh_lifetime = _number("Full life of the refresh token.")
    last_refresh_seconds_ago = _number("Since Canvas gave the token.")
    flaws = fields.List(
        fields.String(validate=validate.OneOf([str(flaw) for flaw in Flaw])),
        required=True,
        metadata=describe("What was wrong with the answer that brought the token."),
    )
    last_error = _text("Kind of the last failure.", allow_none=True)
    failures = _number("Failures in a row.", allow_none=False)
    latched = _flag("Whether Canvas refuses the keys, so that they are seldom tried.")
    in_use = _flag("Whether the token is kept current, for somebody asked not long ago.")
    refusing = _flag("Whether requests get no token, for longer already than one waits.")
    next_attempt_in = _number("Until the next attempt, after a failure.")
    clock_skew = _tenths("Seconds by which this host's clock is ahead of Canvas's.")
    credential_version = _text("Fingerprint of the credentials.")
    token_of_credential_version = _text("That under which the token came.", allow_none=True)
    recent = _list(
        OrganizationEvent,
        validate=validate.Length(max=REMEMBERED),
        metadata=describe("What happened last, newest first."),
    )


class ConnectionCheck(Schema):
    """Whether what the broker needs answers."""

    status = _word()
    output = _sentence()


class RedisCheck(ConnectionCheck):
    """Whether Redis answers, and takes writes."""

    reason = _text(
        "Why it does not: a word, and after a colon the command or code; null if it does.",
        allow_none=True,
    )


class UpstreamCheck(ConnectionCheck):
    """Whether Canvas does its work."""

    last_success_seconds_ago = _number("Since Canvas last gave a token that this pod knows of.")


class FilesCheck(Schema):
    """One kind of files; where they are refused, the last good version is in use."""

    componentId = _one_of(  # noqa: N815  # a name of the health format
        list(FILES), "Which files."
    )
    status = _word()
    output = _sentence()
    last_reload_seconds_ago = _number("Since all workers have the version in force.")


class WorkerCheck(Schema):
    """One worker of this pod, or how many are missing."""

    componentId = _text(  # noqa: N815  # a name of the health format
        "Its process id, or `missing`."
    )
    status = _word()
    output = _sentence()
    uptime = _number("Since it was started; null where it does not tell.")


Checks = Schema.from_dict(
    {
        "organization:token": _list(OrganizationCheck),
        "redis:connection": _list(RedisCheck),
        "upstream:connection": _list(UpstreamCheck, metadata=describe("One entry.")),
        "files": _list(FilesCheck),
        "workers": _list(WorkerCheck, metadata=describe("By process id.")),
    },
    name="Checks",
)
"""What is looked at; the names are those of the health format."""


def _counts(words: Iterable[str], meaning: str) -> "fields.Nested":
    counted: dict[str, fields.Field[Any]] = {
        str(word): _number(f"That are `{word}`.", allow_none=False) for word in words
    }
    schema = Schema.from_dict(counted, name=f"By{meaning.title()}")
    return fields.Nested(schema, required=True, metadata=describe(f"How many, by {meaning}."))


class Organizations(Schema):
    """All organizations of this pod, and which of them are listed."""

    total = _number("How many are configured.", allow_none=False)
    in_use = _number("Whose token is kept current.", allow_none=False)
    status = _counts(["pass", "warn", "fail"], "status")
    state = _counts(State, "state")
    found = _number("How many are asked for.", allow_none=False)
    page = _number("Which page of those is listed, the worst first.", allow_none=False)
    pages = _number("How many pages there are.", allow_none=False)
    limit = _number("How many are on a page, at most.", allow_none=False)


class HealthAnswer(Schema):
    """The health of this pod (draft-inadarei-api-health-check-06)."""

    status = _word()
    version = _text("Of the broker.")
    serviceId = _text("Always `canvas-token-broker`.")  # noqa: N815  # a name of the health format
    organizations = fields.Nested(
        Organizations, required=True, metadata=describe("All of them in numbers.")
    )
    checks = fields.Nested(Checks, required=True)


HEALTH_QUERY = HealthQuery(unknown=RAISE)
HEALTH_ANSWER = HealthAnswer()
