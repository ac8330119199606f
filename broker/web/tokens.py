"""``/token``: the broker's own way to ask for a token, and the OAuth 2.0 token endpoint."""

from flask import Blueprint, Response, g, request

from broker.web.desk import TOKEN_PATH, WAYS, Desk, Visit
from broker.web.token_request import asked_from


def token_views(desk: Desk) -> Blueprint:
    """Return the view of :data:`~broker.web.desk.TOKEN_PATH`."""
    views = Blueprint("tokens", __name__)

    @views.route(TOKEN_PATH, methods=["GET", "POST"])
    def token() -> Response:
        visit = Visit(g.request_id, request.remote_addr or "unix")
        asked = asked_from(request.environ)
        return desk.answer(visit, asked.identify(), WAYS[asked.method]).response()

    return views
