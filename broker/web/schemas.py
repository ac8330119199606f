"""What goes in and out over HTTP, as marshmallow schemas."""

from typing import Any

from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields, validate

from broker.credentials import ORGANIZATION, ORGANIZATION_RULE

LONGEST_MIN_TTL = 86400
LARGEST_GENERATION = 2**63 - 1
GRANT_TYPES = ("client_credentials", "urn:ietf:params:oauth:grant-type:jwt-bearer")
"""What ``grant_type`` may be; the second only where service-account tokens are taken."""


def describe(meaning: str, **more: Any) -> dict[str, Any]:
    """Return what the description of the service says of a field."""
    return {"description": meaning, **more}


def _strings(meaning: str) -> "fields.List[str]":
    return fields.List(fields.String(), required=True, metadata=describe(meaning))


def _is_organization(text: str) -> None:
    if not ORGANIZATION.fullmatch(text):
        raise ValidationError(f"must be {ORGANIZATION_RULE}")


def organization_name(meaning: str) -> "fields.String":
    """Return a field for the name of an organization."""
    described = describe(meaning, pattern=f"^(?:{ORGANIZATION.pattern})$", example="acme")
    return fields.String(validate=_is_organization, metadata=described)


class WholeNumber(fields.Integer):
    """An integer written in decimal digits only; no sign, space, underscore or fraction."""

    def __init__(self, least: int, most: int, meaning: str) -> None:
        rule = f"must be a whole number from {least} to {most}"
        bounds = validate.Range(least, most, error=rule)
        super().__init__(
            validate=bounds,
            error_messages={"invalid": rule, "too_large": rule},
            metadata=describe(meaning),
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

    organization = organization_name(
        "Which organization's token; may be left out where it is clear."
    )
    min_ttl = WholeNumber(0, LONGEST_MIN_TTL, "Seconds that the token must still live.")
    rejected = WholeNumber(
        1, LARGEST_GENERATION, "The generation that Canvas answered 401 to: get another one."
    )


class TokenForm(Schema):
    """The form of ``POST /token`` (RFC 6749 section 4.4.2, RFC 7523 section 2.1); open."""

    class Meta:
        """Also the description says that the form is open (RFC 6749 section 3.2)."""

        unknown = EXCLUDE

    # What its values may be the view checks: RFC 6749 section 5.2 has a code of its own for it.
    grant_type = fields.String(
        required=True,
        error_messages={"required": "is required"},
        metadata=describe(
            "What the caller proves itself by; the metadata tells which are taken.",
            enum=list(GRANT_TYPES),
        ),
    )
    scope = fields.String(
        metadata=describe(
            "The organization; may be left out or empty where it is clear.",
            pattern=f"^(?:{ORGANIZATION.pattern})?$",
            example="acme",
        )
    )
    client_id = fields.String(metadata=describe("The caller's name, unless Basic is used."))
    client_secret = fields.String(metadata=describe("The caller's key, likewise."))
    assertion = fields.String(
        metadata=describe("A service-account token, for the JWT bearer grant.")
    )


class TokenAnswer(Schema):
    """A token; ``f"{token_type} {access_token}"`` is the header for Canvas."""

    access_token = fields.String(
        required=True, metadata=describe("The token, without Canvas's prefix.")
    )
    token_type = fields.Constant(
        "Bearer", required=True, metadata=describe("Always `Bearer`.", enum=["Bearer"])
    )
    expires_in = fields.Integer(
        required=True, metadata=describe("Whole seconds until it expires.", minimum=0)
    )
    refresh_in = fields.Integer(
        required=True, metadata=describe("Seconds after which to ask again.", minimum=1)
    )
    generation = fields.Integer(
        required=True, metadata=describe("Grows with each new token.", format="int64")
    )
    organization = fields.String(required=True, metadata=describe("Whose token this is."))


class GrantAnswer(TokenAnswer):
    """The same for OAuth 2.0 clients (RFC 6749 section 5.1); ``scope`` is the organization."""

    scope = fields.String(required=True, metadata=describe("The organization."))


class MetadataAnswer(Schema):
    """What the token endpoint can do (RFC 8414 section 2)."""

    issuer = fields.String(required=True, metadata=describe("URL of this broker."))
    token_endpoint = fields.String(required=True, metadata=describe("Where to POST."))
    response_types_supported = _strings("None: there is no authorization endpoint.")
    grant_types_supported = _strings("The values that `grant_type` may have.")
    token_endpoint_auth_methods_supported = _strings("How a caller may send its key.")


class ErrorAnswer(Schema):
    """Any error, in the form of RFC 6749 section 5.2."""

    error = fields.String(required=True, metadata=describe("A code from a fixed list."))
    error_description = fields.String(required=True, metadata=describe("One plain sentence."))


TOKEN_QUERY = TokenQuery(unknown=RAISE)
TOKEN_FORM = TokenForm()
METADATA_ANSWER = MetadataAnswer()
