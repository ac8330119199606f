"""``GET /token``: the broker's own way to ask for a token."""

from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, g, request
from marshmallow import Schema, ValidationError

from broker.callers import Caller
from broker.errors import InvalidRequestError
from broker.web.answer import token_answer
from broker.web.authentication import Authentication
from broker.web.desk import Desk, ReadWish, Visit, Wish
from broker.web.errors import TABLE
from broker.web.schemas import TOKEN_QUERY

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict


def token_views(desk: Desk) -> Blueprint:
    """Return the view of ``GET /token``."""
    views = Blueprint("tokens", __name__)

    def identify(authentication: Authentication) -> tuple[Caller, ReadWish]:
        caller = authentication.by_header(request.headers.get("Authorization"))
        return caller, lambda: Wish(**read_query(request.args))

    @views.get("/token")
    def token() -> Response:
        return token_answer(desk.serve(visit(), identify, TABLE)).response()

    return views


def visit() -> Visit:
    """Return what the connection tells of the present request."""
    return Visit(g.request_id, request.remote_addr or "unix")


def keep_nowhere(response: Response) -> Response:
    """Forbid every cache to keep the answer."""
    response.headers["Cache-Control"] = "no-store"
    return response


def read_query(sent: "MultiDict[str, str]") -> dict[str, Any]:
    """Return the query's parameters; raises :class:`InvalidRequestError` naming what is wrong."""
    refuse_repeated(sent)
    try:
        loaded: dict[str, Any] = TOKEN_QUERY.load(sent.to_dict())
    except ValidationError as error:
        problems = error.messages_dict
    else:
        return loaded
    raise InvalidRequestError(sentence(TOKEN_QUERY, problems))


def refuse_repeated(sent: "MultiDict[str, str]") -> None:
    """Raise :class:`InvalidRequestError` if a parameter is given more than once."""
    for name, values in sent.lists():
        if len(values) > 1:
            raise InvalidRequestError(f"{_shown(name)} is given more than once")


def sentence(schema: Schema, problems: dict[str, list[str]]) -> str:
    """Return what a schema found wrong, as one sentence."""
    return "; ".join(_problem(schema, name, problems[name]) for name in sorted(problems))


def _problem(schema: Schema, name: str, messages: list[str]) -> str:
    if name not in schema.fields:
        return f"{_shown(name)} is not known; known are {', '.join(sorted(schema.fields))}"
    return f"{name} {messages[0]}"


def _shown(name: str) -> str:
    """Return a parameter's name fit for an error: short, and nothing but plain characters."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "?" for c in name[:40])
    return plain or "a parameter without a name"
