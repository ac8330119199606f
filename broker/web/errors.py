"""The one table from error to outcome: HTTP answer, audit and metric.

No body names a file, a host or a secret. Whoever answers a request takes the row
once, and tells it everywhere: ``code`` is the ``error`` of the body, the ``outcome`` of the audit
and the ``outcome`` of the metric.
"""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from flask import Flask, Response
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from broker.errors import (
    BrokerError,
    CallerError,
    CredentialsRejectedError,
    ForbiddenError,
    InvalidCredentialError,
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    MissingCredentialError,
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
_NO_CALLER = "No caller has this key, or none was sent."
_NOT_ALLOWED = "This caller may not use this organization, or there is no such organization."
_log = logging.getLogger(__name__)


class ProtocolError(CallerError):
    """HTTP itself refuses the request, whatever it asks for; ``status`` is a key of HTTP_TABLE."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(HTTPStatus(status).phrase)


@dataclass(frozen=True, slots=True)
class Row:
    """How one error is told: status, ``error`` code, and a description where it has its own."""

    status: int
    code: str
    description: str | None = None
    challenge: str | None = None


Table = Mapping[type[Exception], Row]
TABLE: dict[type[Exception], Row] = {
    InvalidRequestError: Row(400, "invalid_request"),
    InvalidCredentialError: Row(
        401, "invalid_token", _NO_CALLER, f'{_BEARER}, error="invalid_token"'
    ),
    MissingCredentialError: Row(401, "invalid_token", _NO_CALLER, _BEARER),
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
"""Errors of the product; an error that is not there is answered as the nearest it derives from.

Who sent no bearer credential gets a challenge without an error code (RFC 6750 section 3.1).
"""
_INVALID_CLIENT = Row(
    401, "invalid_client", "No caller has this name and key, or none was sent.", _BASIC
)
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
    InvalidCredentialError: _INVALID_CLIENT,
    MissingCredentialError: _INVALID_CLIENT,
}
"""The same errors in the words of the token endpoint (RFC 6749 section 5.2)."""
HTTP_TABLE: dict[int, Row] = {
    400: Row(400, "invalid_request", "The request is malformed."),
    404: Row(404, "not_found", "There is nothing at this path, or of this name."),
    405: Row(405, "method_not_allowed", "This path does not take this method; see Allow."),
    413: Row(413, "invalid_request", "The body is too long."),
    414: Row(414, "invalid_request", "The request line is too long."),
    431: Row(431, "invalid_request", "There are too many headers, or one is too long."),
    501: Row(501, "invalid_request", "This transfer coding is not supported."),
}
"""Errors of HTTP itself, by status: of :class:`ProtocolError` and of the framework."""
UNFORESEEN = Row(503, "temporarily_unavailable", "The broker met an unexpected condition.")
ROWS = frozenset([*TABLE.values(), *TOKEN_ENDPOINT.values(), *HTTP_TABLE.values(), UNFORESEEN])


def install(app: Flask) -> None:
    """Answer every error of ``app`` by the table."""
    app.register_error_handler(Exception, _respond)


def row_of(error: Exception, table: Table) -> Row:
    """Return the row of the nearest class that ``error`` derives from, or of its HTTP status."""
    if isinstance(error, ProtocolError):
        return HTTP_TABLE[error.status]
    if isinstance(error, HTTPException):
        return _row_of_status(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    return next((table[kind] for kind in type(error).__mro__ if kind in table), UNFORESEEN)


def told(error: Exception, row: Row) -> Answer:
    """Return how ``error`` is told by ``row``; an unforeseen one is logged by its class alone."""
    if row is UNFORESEEN:
        # Its message and traceback may hold anything, secrets included.
        _log.error("request.crashed", extra={"error": type(error).__name__})
        return _answer(row, "", ("Retry-After", "1"))
    extra = [("WWW-Authenticate", row.challenge)] if row.challenge else []
    if isinstance(error, UnavailableError):
        extra.append(("Retry-After", str(max(1, math.ceil(error.retry_after)))))
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        extra.append(("Allow", ", ".join(error.valid_methods)))
    return _answer(row, str(error) if isinstance(error, BrokerError) else "", *extra)


def _respond(error: Exception) -> Response:
    return told(error, row_of(error, TABLE)).response()


def _row_of_status(status: int) -> Row:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return UNFORESEEN
    return HTTP_TABLE.get(status, HTTP_TABLE[HTTPStatus.BAD_REQUEST])


def _answer(row: Row, message: str, *extra: tuple[str, str]) -> Answer:
    return error_answer(row.status, row.code, row.description or message, *extra)
