"""The login of a connection to Redis, as it is when the connection is set up."""

from collections.abc import Callable
from typing import Any

from redis.credentials import CredentialProvider

from broker.redis_address import parse_redis_address

Options = dict[str, Any]
CurrentUrl = Callable[[], str]
"""Returns the URL of Redis; at each call with the login that counts then."""


class CurrentLogin(CredentialProvider):
    """Tells redis-py user and password at each connection; ``whose`` stands before their names."""

    def __init__(self, url: CurrentUrl, whose: str) -> None:
        self._url = url
        self._whose = whose

    def get_credentials(self) -> Any:
        """Return the arguments of AUTH; none where there is no login."""
        own = getattr(parse_redis_address(self._url()), f"{self._whose}login")
        return own.arguments if own else ()


def login(url: CurrentUrl, whose: str = "") -> Options:
    """Return redis-py's option for the login of ``url``."""
    return {"credential_provider": CurrentLogin(url, whose)}
