"""Everything that can go wrong, as one tree.

::

    BrokerError
    ├── SettingsError                 settings contradict or are missing; the process does not start
    ├── StoreUnavailableError         Redis did not answer in time                      retryable
    ├── UpstreamError                 one call to Canvas failed; carries its class
    │   ├── NotSentError              definite: DNS, connect, TLS, no time left         retryable
    │   ├── ThrottledError            definite: 429, or 503 with Retry-After
    │   ├── AmbiguousError            nobody knows whether Canvas did the work
    │   │   └── UnusableTokenError    200 whose access token is bad, refresh token good
    │   ├── RefreshTokenUnknownError  rejected: 404
    │   └── KeysRejectedError         rejected: 401
    ├── CallerError                   the caller asked for something it cannot have
    │   ├── InvalidRequestError       a parameter is unknown or out of range
    │   │   ├── OrganizationRequiredError  it may use several and named none
    │   │   └── UnsupportedGrantError      a grant_type that this broker does not take
    │   ├── InvalidCredentialError    no caller has this key
    │   │   ├── MissingCredentialError     none was sent
    │   │   └── InvalidGrantError     no caller has this service-account token
    │   └── ForbiddenError            not this caller's organization, or no such organization
    │       └── InvalidScopeError     a scope that names no organization, or more than one
    └── UnavailableError              no token to give right now; carries Retry-After
        ├── TemporarilyUnavailableError
        ├── CredentialsRejectedError
        └── NoStoreError

``retryable`` says whether trying again inside the same lease can do no harm and may help.
No message of these errors holds a URL, a body or a secret.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

from broker.store_faults import Reason, StoreFault

if TYPE_CHECKING:
    from broker.tokens import RefreshToken


class FailureClass(StrEnum):
    """What is known about the work that a failed upstream call asked for."""

    DEFINITE = "definite"
    """Canvas did not do it: the call may be repeated as it was."""
    AMBIGUOUS = "ambiguous"
    """Canvas may have done it: a refresh token that was presented counts as spent."""
    REJECTED = "rejected"
    """Canvas refused: repeating the call will be refused again."""


class BrokerError(Exception):
    """Root of all errors that the broker raises on purpose."""

    retryable: ClassVar[bool] = False


class SettingsError(BrokerError):
    """One or more settings are wrong; ``problems`` names each, what it is and what is allowed."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(f"- {problem}" for problem in self.problems))


_NO_CONNECTION = Reason(StoreFault.CONNECTION)


class StoreUnavailableError(BrokerError):
    """Redis could not be reached, did not answer in time, or refused the command.

    ``reason`` says which, as a word from a fixed list for logs, metrics and health.
    """

    retryable = True

    def __init__(self, message: str = "", reason: Reason = _NO_CONNECTION) -> None:
        self.reason = reason
        super().__init__(message)


class UpstreamError(BrokerError):
    """One call to Canvas failed.

    ``failure`` is its class, ``kind`` a word from a fixed list for logs, metrics and health,
    ``retry_after`` the seconds that Canvas asked to wait, where it did.
    """

    failure: ClassVar[FailureClass]

    def __init__(self, kind: str, *, retry_after: float | None = None) -> None:
        self.kind = kind
        self.retry_after = retry_after
        super().__init__(f"{self.failure} failure of the upstream call: {kind}")


class NotSentError(UpstreamError):
    """The request never left: name resolution, connection, TLS, or no time left to send it."""

    failure = FailureClass.DEFINITE
    retryable = True


class ThrottledError(UpstreamError):
    """Canvas answered 429, or 503 with ``Retry-After``: it did no work and asks for a pause."""

    failure = FailureClass.DEFINITE


class AmbiguousError(UpstreamError):
    """The request may have reached Canvas, and no usable answer came back."""

    failure = FailureClass.AMBIGUOUS


class UnusableTokenError(AmbiguousError):
    """Canvas answered 200 with a bad access token beside a good refresh token (``spare``)."""

    def __init__(self, kind: str, spare: "RefreshToken") -> None:
        self.spare = spare
        super().__init__(kind)


class RefreshTokenUnknownError(UpstreamError):
    """Canvas answered 404 to a refresh: it does not know this refresh token (any more)."""

    failure = FailureClass.REJECTED


class KeysRejectedError(UpstreamError):
    """Canvas answered 401: the Consumer or the SecretKey is wrong."""

    failure = FailureClass.REJECTED


class CallerError(BrokerError):
    """The caller asked for something it cannot have; the message is for the caller to read."""


class InvalidRequestError(CallerError):
    """A parameter is unknown, repeated or out of range; the message names it."""


class OrganizationRequiredError(InvalidRequestError):
    """The caller may use more than one organization and named none."""


class UnsupportedGrantError(InvalidRequestError):
    """A ``grant_type`` that the token endpoint does not take; the message names those it does."""


class InvalidCredentialError(CallerError):
    """The request carries no caller credential, or one that belongs to no caller."""


class MissingCredentialError(InvalidCredentialError):
    """The request carries no bearer credential at all."""


class InvalidGrantError(InvalidCredentialError):
    """The assertion of a JWT bearer grant is not valid, or belongs to no caller."""


class ForbiddenError(CallerError):
    """The organization does not exist or is not this caller's; the two are not told apart."""


class InvalidScopeError(ForbiddenError):
    """A scope that names no organization, or more than one."""


class UnavailableError(BrokerError):
    """There is no token to give right now; asking again in ``retry_after`` seconds may help."""

    def __init__(self, message: str, *, retry_after: float) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class TemporarilyUnavailableError(UnavailableError):
    """Canvas fails or a refresh runs, and no token is valid; or nobody can tell who asks."""


class CredentialsRejectedError(UnavailableError):
    """Canvas refused the organization's keys, and no valid token is left."""


class NoStoreError(UnavailableError):
    """Redis is gone, and no valid token is in memory."""
