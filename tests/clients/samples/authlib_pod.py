# Authlib has no types.
# mypy: disable-error-code="import-untyped"
"""Canvas with Authlib in a pod: the service-account token is the credential."""

import os
from pathlib import Path

from authlib.integrations.requests_client import AssertionSession

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def canvas(organization: str) -> AssertionSession:
    """Return a session for calls to Canvas; it reads the file anew for each renewal."""
    session = AssertionSession(
        f"{os.environ['TOKEN_BROKER']}/token",
        issuer=None,
        subject=None,
        grant_type=JWT_BEARER,
        scope=organization,
        default_timeout=10,
    )
    token_file = Path(os.environ["TOKEN_BROKER_TOKEN_FILE"])
    session.ASSERTION_METHODS = {JWT_BEARER: lambda **_: token_file.read_text()}
    return session
