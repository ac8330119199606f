"""``/.well-known/oauth-authorization-server``: what the token endpoint can do (RFC 8414)."""

from flask import Blueprint, Response, jsonify, request

from broker.web.authentication import Authentication
from broker.web.schemas import METADATA_ANSWER
from broker.web.token_endpoint import grants


def metadata_view(authentication: Authentication, public_url: str | None) -> Blueprint:
    """Return the view; without ``public_url`` the issuer is as the request names this host."""
    views = Blueprint("metadata", __name__)

    @views.get("/.well-known/oauth-authorization-server")
    def metadata() -> Response:
        host = request.headers.get("Host") or request.host
        issuer = public_url or f"{request.scheme}://{host}"
        body = {
            "issuer": issuer,
            "token_endpoint": f"{issuer}/token",
            "response_types_supported": [],
            "grant_types_supported": grants(authentication),
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        }
        return jsonify(METADATA_ANSWER.dump(body))

    return views
