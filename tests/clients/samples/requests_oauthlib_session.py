"""Canvas with requests-oauthlib, which leaves the renewal to you."""

import os
import time

from oauthlib.oauth2 import BackendApplicationClient
from requests_oauthlib import OAuth2Session

LEEWAY = 60


def new_session(organization: str) -> OAuth2Session:
    """Return a session without a token."""
    return OAuth2Session(client=BackendApplicationClient("billing", scope=organization))


def renewed(session: OAuth2Session) -> OAuth2Session:
    """Return the session with a token that lives; call this before each call to Canvas."""
    if session.token.get("expires_at", 0) - LEEWAY <= time.time():
        key = os.environ["TOKEN_BROKER_KEY"]
        url = f"{os.environ['TOKEN_BROKER']}/token"
        session.fetch_token(url, auth=("billing", key), timeout=10)
    return session
