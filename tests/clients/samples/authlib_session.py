# Authlib has no types.
# mypy: disable-error-code="import-untyped"
"""Canvas with Authlib: the session gets the token, keeps it and renews it."""

import os

from authlib.integrations.requests_client import OAuth2Session


def canvas(organization: str) -> OAuth2Session:
    """Return a session for calls to Canvas."""
    session = OAuth2Session(
        "billing",
        os.environ["TOKEN_BROKER_KEY"],
        scope=organization,
        token_endpoint=f"{os.environ['TOKEN_BROKER']}/token",
        grant_type="client_credentials",
        default_timeout=10,
    )
    session.fetch_token()
    return session
