"""The login of a connection to Redis, as it is when the connection is set up."""

from collections.abc import Callable
from typing import Any

from redis.credentials import CredentialProvider

from broker.store.urls import Options, read_shared, split

CurrentUrl = Callable[[], str]
"""Returns the URL of Redis; at each call with the login that counts then."""
_LOGIN = ("username", "password")


class Login(CredentialProvider):
    """Tells redis-py user and password at each connection; ``whose`` stands before their names."""

    def __init__(self, url: CurrentUrl, whose: str) -> None:
        self._url = url
        self._whose = whose

    def get_credentials(self) -> Any:
        """Return the arguments of AUTH; none where there is no login."""
        options = read_shared(split(self._url()))
        user, password = (options.get(f"{self._whose}{name}", "") for name in _LOGIN)
        if user:
            return user, password
        return (password,) if password else ()


def login(url: CurrentUrl | None, whose: str = "") -> Options:
    """Return redis-py's options for the login of ``url``, in place of fixed ones; none without."""
    if url is None:
        return {}
    return {"username": None, "password": None, "credential_provider": Login(url, whose)}
