"""``POST /token``: the OAuth 2.0 token endpoint, so that any OAuth 2.0 client library may ask.

Client credentials (RFC 6749 section 4.4) by Basic or in the form, and the JWT bearer grant
(RFC 7523 section 2.1) with a service-account token. The scope is the organization.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

from broker.callers import Caller
from broker.credentials import ORGANIZATION
from broker.errors import (
    InvalidCredentialError,
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    UnsupportedGrantError,
)
from broker.web.authentication import Authentication
from broker.web.desk import Identify, ReadWish, Wish
from broker.web.parameters import load, parameters
from broker.web.schemas import GRANT_TYPES, TOKEN_FORM

CLIENT_CREDENTIALS, JWT_BEARER = GRANT_TYPES
MEDIA_TYPE = "application/x-www-form-urlencoded"


def grants(authentication: Authentication) -> list[str]:
    """Return the grant types that are taken."""
    return [CLIENT_CREDENTIALS, *([JWT_BEARER] if authentication.takes_assertions else [])]


@dataclass(frozen=True, slots=True)
class Client:
    """A caller's name and key as they were sent; empty where they were not."""

    name: str = ""
    key: str = field(default="", repr=False)


def by_grant(authorization: str | None, body: bytes) -> Identify:
    """Return how to tell who sends such a form, and what for."""

    def identify(authentication: Authentication) -> tuple[Caller, ReadWish]:
        form = _read_form(parameters(body))
        client = _client(authorization, form)
        caller = _caller(authentication, client, form)
        return caller, lambda: Wish(organization=_organization(form.get("scope")))

    return identify


def _caller(authentication: Authentication, client: Client, form: dict[str, str]) -> Caller:
    grant_type, known = form["grant_type"], grants(authentication)
    if grant_type not in known:
        raise UnsupportedGrantError(f"grant_type must be {' or '.join(known)}")
    if grant_type == JWT_BEARER:
        return _by_assertion(authentication, client, form)
    return authentication.by_name_and_key(client.name, client.key)


def _read_form(sent: dict[str, str]) -> dict[str, str]:
    """Return the form; one without a value counts as left out (RFC 6749 section 3.2)."""
    return load(TOKEN_FORM, {name: text for name, text in sent.items() if text})


def _client(authorization: str | None, form: dict[str, str]) -> Client:
    """Return who the request says it comes from; raises where it says so in two ways."""
    sent = Client(form.get("client_id", ""), form.get("client_secret", ""))
    if authorization is None:
        return sent
    client = _basic(authorization)
    if sent.key or sent.name not in {"", client.name}:
        raise InvalidRequestError("client authentication is given more than once")
    return client


def _basic(authorization: str) -> Client:
    """Read HTTP Basic, whose two parts are form-encoded (RFC 6749 section 2.3.1)."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        decoded = b64decode(encoded.strip(), validate=True).decode()
    except (Base64Error, ValueError):
        decoded = ""
    name, colon, key = decoded.partition(":")
    if scheme.lower() != "basic" or not colon:
        raise InvalidCredentialError
    return Client(unquote_plus(name), unquote_plus(key))


def _by_assertion(authentication: Authentication, client: Client, form: dict[str, str]) -> Caller:
    """Return the assertion's caller; a key beside it must be this caller's own."""
    assertion = form.get("assertion")
    if assertion is None:
        raise InvalidRequestError("assertion is required")
    named = authentication.by_name_and_key(client.name, client.key) if client.key else None
    caller = authentication.by_assertion(assertion)
    if named not in {None, caller}:
        raise InvalidGrantError
    return caller


def _organization(scope: str | None) -> str | None:
    if scope is None:
        return None
    if not ORGANIZATION.fullmatch(scope):
        raise InvalidScopeError("scope must be the name of one organization")
    return scope
