"""Why the cluster's keys could not be fetched, as one word."""

from enum import StrEnum


class KeysFailure(StrEnum):
    """The words, for logs and health."""

    CONNECT = "connect"
    """Name resolution or the connection failed."""
    TLS = "tls"
    """TLS failed, or the certificate did not verify."""
    TIMEOUT = "timeout"
    """The time for the whole fetch was over."""
    FORBIDDEN = "forbidden"
    """The API server answered 401 or 403: the own token may not read the keys."""
    STATUS = "status"
    """The API server answered with another status than 200."""
    OVERSIZE = "oversize"
    """The document was longer than allowed."""
    BROKEN = "broken"
    """The answer was cut short, or was not HTTP."""
    NOT_KEYS = "not_keys"
    """The document was not a JWKS."""
    NO_KEY = "no_key"
    """The document held no key that may be used."""
    CRASHED = "crashed"
    """Something that nobody foresaw."""


class KeysError(Exception):
    """The keys could not be fetched; ``failure`` says why, and nothing more is told."""

    def __init__(self, failure: KeysFailure) -> None:
        self.failure = failure
        super().__init__(str(failure))
