"""The one table from error to HTTP answer. No body names a file, a host or a secret."""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flask import Blueprint, Flask, Response, jsonify
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
from broker.web.schemas import ERROR_ANSWER

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
    app.register_error_handler(Exception, _on_unforeseen)


def install_token_endpoint(views: Blueprint) -> None:
    """Answer the product's errors in ``views`` as RFC 6749 section 5.2 says."""
    views.register_error_handler(BrokerError, _by(TOKEN_ENDPOINT))


def row_of(error: Exception, table: Mapping[type[Exception], Row]) -> Row:
    """Return the row of the nearest class that ``error`` derives from."""
    return next((table[kind] for kind in type(error).__mro__ if kind in table), UNFORESEEN)


def _by(table: Mapping[type[Exception], Row]) -> Callable[[BrokerError], Response]:
    def answer(error: BrokerError) -> Response:
        row = row_of(error, table)
        if row is UNFORESEEN:
            return _on_unforeseen(error)
        response = _answer(row, str(error))
        if isinstance(error, UnavailableError):
            response.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
        return response

    return answer


def _on_http_error(error: HTTPException) -> Response:
    row = HTTP_TABLE.get(error.code or 0, Row(400, "invalid_request", "The request is malformed."))
    response = _answer(row, "")
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


def _on_unforeseen(error: Exception) -> Response:
    # Its message and traceback may hold anything, secrets included: only its class is told.
    _log.error("request.crashed", extra={"error": type(error).__name__})
    response = _answer(UNFORESEEN, "")
    response.headers["Retry-After"] = "1"
    return response


def _answer(row: Row, message: str) -> Response:
    body = {"error": row.code, "error_description": row.description or message}
    response = jsonify(ERROR_ANSWER.dump(body))
    response.status_code = row.status
    response.headers["Cache-Control"] = "no-store"
    if row.challenge:
        response.headers["WWW-Authenticate"] = row.challenge
    return response
