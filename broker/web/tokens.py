"""``GET /token``: who asks, for what, and what the broker has."""

from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, jsonify, request
from marshmallow import ValidationError

from broker.callers import Caller
from broker.errors import ForbiddenError, InvalidRequestError
from broker.policy.answers import Served
from broker.policy.broker import Broker
from broker.web.authentication import Authenticate
from broker.web.schemas import TOKEN_ANSWER, TOKEN_QUERY

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict


def token_views(broker: Broker, authenticate: Authenticate) -> Blueprint:
    """Return the view of ``/token``."""
    views = Blueprint("tokens", __name__)

    @views.get("/token")
    def token() -> Response:
        caller = authenticate(request.headers.get("Authorization"))
        query = read_query(request.args)
        organization = choose(caller, query.get("organization"), broker.organizations)
        served = broker.token(
            organization, min_ttl=query.get("min_ttl", 0), rejected=query.get("rejected")
        )
        return _answer(served)

    @views.after_request
    def keep_nowhere(response: Response) -> Response:
        response.headers["Cache-Control"] = "no-store"
        return response

    return views


def read_query(sent: "MultiDict[str, str]") -> dict[str, Any]:
    """Return the query's parameters; raises :class:`InvalidRequestError` naming what is wrong."""
    for name, values in sent.lists():
        if len(values) > 1:
            raise InvalidRequestError(f"{_shown(name)} is given more than once")
    try:
        loaded: dict[str, Any] = TOKEN_QUERY.load(sent.to_dict())
    except ValidationError as error:
        problems = error.messages_dict
    else:
        return loaded
    raise InvalidRequestError(
        "; ".join(_problem(name, problems[name]) for name in sorted(problems))
    )


def choose(caller: Caller, wanted: str | None, known: frozenset[str]) -> str:
    """Return the organization that ``caller`` wants and may use.

    Raises :class:`ForbiddenError`, alike for one that is not there and one that is not its own, and
    :class:`InvalidRequestError` where it must say which.
    """
    if wanted is not None:
        if wanted in known and caller.may_use(wanted):
            return wanted
        raise ForbiddenError
    only = caller.only_organization(known)
    if only is not None:
        return only
    if any(caller.may_use(name) for name in known):
        raise InvalidRequestError("organization is required: this caller may use more than one")
    raise ForbiddenError


def _problem(name: str, messages: list[str]) -> str:
    if name not in TOKEN_QUERY.fields:
        return f"{_shown(name)} is not known; known are {', '.join(sorted(TOKEN_QUERY.fields))}"
    return f"{name} {messages[0]}"


def _shown(name: str) -> str:
    """Return a parameter's name fit for an error: short, and nothing but plain characters."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "?" for c in name[:40])
    return plain or "a parameter without a name"


def _answer(served: Served) -> Response:
    body = TOKEN_ANSWER.dump(
        {
            "access_token": served.access_token.reveal(),
            "expires_in": served.expires_in,
            "refresh_in": served.refresh_in,
            "generation": served.generation,
            "organization": served.organization,
        }
    )
    return jsonify(body)
