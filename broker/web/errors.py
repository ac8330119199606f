"""The one table from error to HTTP answer. No body names a file, a host or a secret."""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import Blueprint, Flask, Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from broker.errors import (
    BrokerError,
    CredentialsRejectedError,
    ForbiddenError,
    InvalidCredentialError,
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    NoStoreError,
    OrganizationRequiredError,
    TemporarilyUnavailableError,
    UnavailableError,
    UnsupportedGrantError,
)
from broker.web.answer import Answer, error_answer

REALM = "canvas-token-broker"
_BEARER = f'Bearer realm="{REALM}"'
_BASIC = f'Basic realm="{REALM}", charset="UTF-8"'
_NOT_ALLOWED = "This caller may not use this organization, or there is no such organization."
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Row:
    """How one error is told: status, ``error`` code, and a description where it has its own."""

    status: int
    code: str
    description: str | None = None
    challenge: str | None = None


TABLE: dict[type[Exception], Row] = {
    InvalidRequestError: Row(400, "invalid_request"),
    InvalidCredentialError: Row(
        401,
        "invalid_token",
        "No caller has this key, or none was sent.",
        f'{_BEARER}, error="invalid_token"',
    ),
    ForbiddenError: Row(
        403,
        "insufficient_scope",
        _NOT_ALLOWED,
        f'{_BEARER}, error="insufficient_scope"',
    ),
    TemporarilyUnavailableError: Row(503, "temporarily_unavailable"),
    CredentialsRejectedError: Row(503, "credentials_rejected"),
    NoStoreError: Row(503, "store_unavailable"),
}
"""Errors of the product; an error that is not there is answered as the nearest it derives from."""
TOKEN_ENDPOINT: dict[type[Exception], Row] = TABLE | {
    UnsupportedGrantError: Row(400, "unsupported_grant_type"),
    OrganizationRequiredError: Row(
        400, "invalid_scope", "scope is required: this caller may use more than one organization"
    ),
    InvalidScopeError: Row(400, "invalid_scope"),
    ForbiddenError: Row(400, "invalid_scope", _NOT_ALLOWED),
    InvalidGrantError: Row(
        400, "invalid_grant", "The assertion is not valid, or no caller runs as its subject."
    ),
    InvalidCredentialError: Row(
        401, "invalid_client", "No caller has this name and key, or none was sent.", _BASIC
    ),
}
"""The same errors in the words of the token endpoint (RFC 6749 section 5.2)."""
HTTP_TABLE: dict[int, Row] = {
    404: Row(404, "not_found", "There is nothing at this path."),
    405: Row(405, "method_not_allowed", "This path does not take this method; see Allow."),
    413: Row(413, "invalid_request", "The body is too long."),
}
"""Errors of HTTP itself that the framework raises."""
UNFORESEEN = Row(503, "temporarily_unavailable", "The broker met an unexpected condition.")
ROWS = frozenset([*TABLE.values(), *TOKEN_ENDPOINT.values(), *HTTP_TABLE.values(), UNFORESEEN])
CODES = frozenset(row.code for row in ROWS)


def install(app: Flask) -> None:
    """Answer every error of ``app`` by the table."""
    app.register_error_handler(BrokerError, _by(TABLE))
    app.register_error_handler(HTTPException, _on_http_error)
    app.register_error_handler(Exception, _by({}))


def install_token_endpoint(views: Blueprint) -> None:
    """Answer the product's errors in ``views`` as RFC 6749 section 5.2 says."""
    views.register_error_handler(BrokerError, _by(TOKEN_ENDPOINT))


def row_of(error: Exception, table: Mapping[type[Exception], Row]) -> Row:
    """Return the row of the nearest class that ``error`` derives from."""
    return next((table[kind] for kind in type(error).__mro__ if kind in table), UNFORESEEN)


def told(error: Exception, table: Mapping[type[Exception], Row]) -> Answer:
    """Return how ``error`` is told; an unforeseen one is logged by its class alone."""
    row = row_of(error, table)
    if row is UNFORESEEN:
        # Its message and traceback may hold anything, secrets included.
        _log.error("request.crashed", extra={"error": type(error).__name__})
        return _answer(row, "", ("Retry-After", "1"))
    extra = [("WWW-Authenticate", row.challenge)] if row.challenge else []
    if isinstance(error, UnavailableError):
        extra.append(("Retry-After", str(max(1, math.ceil(error.retry_after)))))
    return _answer(row, str(error), *extra)


def _by(table: Mapping[type[Exception], Row]) -> Callable[[Exception], Response]:
    return lambda error: told(error, table).response()


def _on_http_error(error: HTTPException) -> Response:
    row = HTTP_TABLE.get(error.code or 0, Row(400, "invalid_request", "The request is malformed."))
    extra = []
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        extra.append(("Allow", ", ".join(sorted(error.valid_methods))))
    return _answer(row, "", *extra).response()


def _answer(row: Row, message: str, *extra: tuple[str, str]) -> Answer:
    return error_answer(row.status, row.code, row.description or message, *extra)
