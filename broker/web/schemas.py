"""What goes in and out over HTTP, as marshmallow schemas."""

from typing import Any

from marshmallow import RAISE, Schema, fields, validate

from broker.credentials import ORGANIZATION, ORGANIZATION_RULE

LONGEST_MIN_TTL = 86400
LARGEST_GENERATION = 2**63 - 1


class WholeNumber(fields.Integer):
    """An integer written in decimal digits only; no sign, space, underscore or fraction."""

    def __init__(self, least: int, most: int, meaning: str) -> None:
        rule = f"must be a whole number from {least} to {most}"
        bounds = validate.Range(least, most, error=rule)
        super().__init__(
            validate=bounds,
            error_messages={"invalid": rule, "too_large": rule},
            metadata={"description": meaning},
        )
        self._longest = len(str(most))

    def _validated(self, value: Any) -> int:
        if not isinstance(value, str) or not value.isascii() or not value.isdigit():
            raise self.make_error("invalid", input=value)
        if len(value) > self._longest:
            raise self.make_error("too_large", input=value)
        return int(value)


class TokenQuery(Schema):
    """The query of ``GET /token``; closed."""

    organization = fields.String(
        validate=validate.Regexp(
            rf"\A(?:{ORGANIZATION.pattern})\Z", error=f"must be {ORGANIZATION_RULE}"
        ),
        metadata={"description": "Which organization's token; may be left out where it is clear."},
    )
    min_ttl = WholeNumber(0, LONGEST_MIN_TTL, "Seconds that the token must still live.")
    rejected = WholeNumber(
        1, LARGEST_GENERATION, "The generation that Canvas answered 401 to: get another one."
    )


class TokenAnswer(Schema):
    """A token; ``f"{token_type} {access_token}"`` is the header for Canvas."""

    access_token = fields.String(required=True)
    token_type = fields.Constant("Bearer")
    expires_in = fields.Integer(required=True)
    refresh_in = fields.Integer(required=True)
    generation = fields.Integer(required=True)
    organization = fields.String(required=True)


class ErrorAnswer(Schema):
    """Any error, in the form of RFC 6749 section 5.2."""

    error = fields.String(required=True)
    error_description = fields.String(required=True)


TOKEN_QUERY = TokenQuery(unknown=RAISE)
TOKEN_ANSWER = TokenAnswer()
ERROR_ANSWER = ErrorAnswer()
