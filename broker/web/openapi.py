"""``/openapi.json``: the service described from its own schemas and its table of errors."""

from collections import defaultdict
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Blueprint, Response, jsonify
from marshmallow import Schema

from broker import __version__
from broker.errors import InvalidRequestError
from broker.web import examples
from broker.web.endpoints import PORTS, Port
from broker.web.errors import HTTP_TABLE, TABLE, TOKEN_ENDPOINT, Row
from broker.web.health_schemas import HealthAnswer, HealthQuery, ProbeAnswer
from broker.web.schemas import (
    ErrorAnswer,
    GrantAnswer,
    MetadataAnswer,
    TokenAnswer,
    TokenForm,
    TokenQuery,
)

JSON = "application/json"
PLAIN = "text/plain"
HTML = "text/html"
HEALTH_JSON = "application/health+json"
FORM = "application/x-www-form-urlencoded"
_HEADERS = {
    "X-Request-ID": {"$ref": "#/components/headers/XRequestID"},
    "Cache-Control": {"$ref": "#/components/headers/CacheControl"},
}
_REJECTED = {
    "operationId": "getToken",
    "parameters": {
        "organization": "$response.body#/organization",
        "rejected": "$response.body#/generation",
    },
    "description": "What to ask when Canvas answers 401 to this token.",
}
_MANAGEMENT = [path for path, ports in PORTS.items() if Port.CALLERS not in ports]
_DESCRIPTION = (
    "Holds the keys of organizations for the Canvas REST API and gives internal services the "
    "current access token. Requests that are not HTTP, or too long, are refused before the paths "
    "below see them: 400, 414, 431 or 501, with the same body as all errors. Where operators have "
    f"a port of their own, {', '.join(_MANAGEMENT)} answer there alone."
)


def openapi_view() -> Blueprint:
    """Return the view of the document, which is made at the first request for it."""
    views = Blueprint("openapi", __name__)
    made: list[dict[str, Any]] = []

    @views.get("/openapi.json")
    def openapi() -> Response:
        if not made:
            made.append(document())
        return jsonify(made[0])

    return views


def document() -> dict[str, Any]:
    """Return the document (OpenAPI 3.1)."""
    spec = APISpec(
        title="Canvas token broker",
        version=__version__,
        openapi_version="3.1.0",
        info={"description": _DESCRIPTION},
        plugins=[MarshmallowPlugin()],
        tags=[{"name": "tokens"}, {"name": "operators"}],
    )
    _components(spec)
    for path, operations in _paths().items():
        spec.path(path, operations=operations)
    made: dict[str, Any] = spec.to_dict()
    return made


def _components(spec: APISpec) -> None:
    # Any other parameter is ignored, but given once like all (RFC 6749 section 3.2).
    others = {"additionalProperties": {"type": "string"}}
    spec.components.schema(TokenForm.__name__, others, schema=TokenForm)
    spec.components.security_scheme("callerKey", {"type": "http", "scheme": "bearer"})
    spec.components.security_scheme("client", {"type": "http", "scheme": "basic"})
    for name, meaning in {
        "XRequestID": "The id that was sent, if it was sane, else a new one.",
        "CacheControl": "Always `no-store`.",
        "RetryAfter": "Whole seconds after which asking again may help.",
        "WWWAuthenticate": "How to authenticate.",
    }.items():
        kind = "integer" if name == "RetryAfter" else "string"
        header = {"description": meaning, "required": True, "schema": {"type": kind}}
        spec.components.header(name, header)


def _paths() -> dict[str, dict[str, Any]]:
    return {
        "/token": {"get": _get_token(), "post": _post_token()},
        "/.well-known/oauth-authorization-server": {
            "get": _read("getMetadata", "What the token endpoint takes (RFC 8414)", MetadataAnswer)
        },
        "/health": {"get": _health()},
        "/health/live": {
            "get": _read("getLive", "Whether the process works", ProbeAnswer, HEALTH_JSON)
        },
        "/health/ready": {"get": _ready()},
        "/metrics": {"get": _text("getMetrics", "Metrics for Prometheus", PLAIN)},
        "/status": {"get": _text("getStatus", "A page for people", HTML)},
        "/openapi.json": {"get": _read("getOpenapi", "This document", None)},
    }


def _get_token() -> dict[str, Any]:
    token = _answer("The token", TokenAnswer, examples.TOKEN)
    return {
        "operationId": "getToken",
        "summary": "The current access token",
        "tags": ["tokens"],
        "security": [{"callerKey": []}],
        "parameters": [{"in": "query", "schema": TokenQuery}],
        "responses": {
            "200": {**token, "links": {"rejected": _REJECTED}},
            **_errors([*TABLE.values(), HTTP_TABLE[HTTPStatus.REQUEST_URI_TOO_LONG]]),
        },
    }


def _post_token() -> dict[str, Any]:
    return {
        "operationId": "postToken",
        "summary": "The same, as an OAuth 2.0 token endpoint (RFC 6749, RFC 7523)",
        "tags": ["tokens"],
        "security": [{"client": []}, {}],
        "requestBody": {
            "required": True,
            "content": {FORM: {"schema": TokenForm, "examples": _named(examples.FORMS)}},
        },
        "responses": {
            "200": _answer("The token", GrantAnswer, examples.GRANT),
            **_errors([*TOKEN_ENDPOINT.values(), HTTP_TABLE[HTTPStatus.REQUEST_ENTITY_TOO_LARGE]]),
        },
    }


def _health() -> dict[str, Any]:
    operation = _read("getHealth", "How all is", HealthAnswer, HEALTH_JSON, examples.HEALTH)
    operation["parameters"] = [{"in": "query", "schema": HealthQuery}]
    rows = [TABLE[InvalidRequestError], HTTP_TABLE[HTTPStatus.NOT_FOUND]]
    operation["responses"] |= _errors(rows)
    operation["responses"]["503"] = _answer("None can be served", HealthAnswer, None, HEALTH_JSON)
    return operation


def _ready() -> dict[str, Any]:
    operation = _read("getReady", "Whether this pod can serve", ProbeAnswer, HEALTH_JSON)
    operation["responses"]["503"] = _answer("It cannot", ProbeAnswer, None, HEALTH_JSON)
    return operation


def _text(name: str, summary: str, media_type: str) -> dict[str, Any]:
    operation = _read(name, summary, None, media_type)
    operation["responses"]["200"]["content"][media_type] = {"schema": {"type": "string"}}
    return operation


def _read(
    name: str,
    summary: str,
    schema: type[Schema] | None,
    media_type: str = JSON,
    example: object = None,
) -> dict[str, Any]:
    """Return an operation that takes nothing and asks nobody who they are."""
    return {
        "operationId": name,
        "summary": summary,
        "tags": ["operators"],
        "security": [],
        "responses": {"200": _answer(summary, schema, example, media_type)},
    }


def _answer(
    description: str, schema: type[Schema] | None, example: object = None, media_type: str = JSON
) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": schema or {"type": "object"}}
    if example is not None:
        content["example"] = example
    return {
        "description": description,
        "headers": dict(_HEADERS),
        "content": {media_type: content},
    }


def _errors(rows: Iterable[Row]) -> dict[str, Any]:
    """Return a response for each status of the rows, with an example for each code."""
    by_status: dict[int, dict[str, Row]] = defaultdict(dict)
    for row in rows:
        by_status[row.status].setdefault(row.code, row)
    return {str(status): _error(found) for status, found in sorted(by_status.items())}


def _error(rows: dict[str, Row]) -> dict[str, Any]:
    response = _answer(" or ".join(f"`{code}`" for code in rows), ErrorAnswer)
    bodies = {code: examples.error(row) for code, row in rows.items()}
    response["content"][JSON]["examples"] = _named(bodies)
    row = next(iter(rows.values()))
    if row.challenge:
        response["headers"]["WWW-Authenticate"] = {"$ref": "#/components/headers/WWWAuthenticate"}
    if row.status == HTTPStatus.SERVICE_UNAVAILABLE:
        response["headers"]["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
    return response


def _named(values: dict[str, Any]) -> dict[str, Any]:
    return {name: {"value": value} for name, value in values.items()}
