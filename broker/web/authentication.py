"""Who asks: from the ``Authorization`` header to a caller (RFC 6750 section 2.1)."""

from collections.abc import Callable

from broker.callers import EVERYTHING, Caller, Callers
from broker.errors import InvalidCredentialError

LONGEST_KEY = 4096
ANYBODY = Caller("anybody", EVERYTHING)
"""The caller of every request where ``BROKER_CALLER_AUTH=none`` asks nobody."""

Authenticate = Callable[[str | None], Caller]
"""From the value of the header to the caller; raises ``InvalidCredentialError``."""


def by_key(callers: Callable[[], Callers]) -> Authenticate:
    """Return how to authenticate by caller key; ``callers`` gives those now in force."""

    def authenticate(authorization: str | None) -> Caller:
        scheme, _, key = (authorization or "").partition(" ")
        if scheme.lower() == "bearer" and len(key) <= LONGEST_KEY:
            caller = callers().find(key.strip())
            if caller is not None:
                return caller
        raise InvalidCredentialError

    return authenticate


def nobody_is_asked(authorization: str | None) -> Caller:
    """Take everybody; the settings allow this on loopback addresses only."""
    del authorization
    return ANYBODY
