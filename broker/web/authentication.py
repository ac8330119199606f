"""Who asks: from a header, a name with a key, or an assertion to a caller."""

from collections.abc import Callable
from typing import Protocol

from broker.callers import EVERYTHING, Caller, Callers
from broker.errors import InvalidCredentialError, InvalidGrantError, MissingCredentialError

LONGEST_TOKEN = 4096
"""Characters of the longest service-account token that is looked at."""
ANYBODY = Caller("anybody", EVERYTHING)
"""The caller of every request where ``BROKER_CALLER_AUTH=none`` asks nobody."""


class ServiceAccounts(Protocol):
    """Tells whose a Kubernetes service-account token is."""

    def identify(self, token: str) -> str:
        """Return ``namespace:name``.

        Raises ``InvalidCredentialError``, or ``TemporarilyUnavailableError`` where it can't tell.
        """
        ...

    def recall(self, token: str) -> tuple[str, Callable[[], bool]] | None:
        """Return the same of one that was verified before, and what tells whether it still is."""
        ...


class Authentication(Protocol):
    """The ways in which a caller may prove who it is.

    Each raises :class:`~broker.errors.InvalidCredentialError`, or an
    :class:`~broker.errors.UnavailableError` where nobody can tell at the moment.
    """

    @property
    def takes_assertions(self) -> bool:
        """Whether :meth:`by_assertion` can succeed."""
        ...

    def at_hand(self) -> "AtHand":
        """Return the same by memory alone, for one request."""
        ...

    def rests_on(self) -> object:
        """Return what :meth:`at_hand` decides by; while it is the same object, so is who is in."""
        ...

    def by_header(self, authorization: str | None) -> Caller:
        """Return whose bearer credential a header holds (RFC 6750 section 2.1)."""
        ...

    def by_name_and_key(self, name: str, key: str) -> Caller:
        """Return the caller of that name if the key is its own (RFC 6749 section 2.3.1)."""
        ...

    def by_assertion(self, assertion: str) -> Caller:
        """Return the caller that a service-account token speaks for (RFC 7523 section 2.1)."""
        ...


class AtHand(Authentication, Protocol):
    """Authenticates one request without ever waiting; refuses what it cannot tell."""

    @property
    def holds(self) -> Callable[[], bool] | None:
        """Tells whether the service-account token that proved it still does; None without one."""
        ...


class CallersAuthentication:
    """Authenticates by the callers in force, which ``callers`` gives.

    Without ``service_accounts`` no service-account token is taken.
    """

    def __init__(
        self, callers: Callable[[], Callers], service_accounts: ServiceAccounts | None = None
    ) -> None:
        self._callers = self.rests_on = callers
        self._service_accounts = service_accounts

    def at_hand(self) -> "CallersAtHand":
        """Return the same by memory alone, for one request."""
        return CallersAtHand(self._callers, self._service_accounts)

    @property
    def takes_assertions(self) -> bool:
        """Whether service-account tokens are taken."""
        return self._service_accounts is not None

    def by_header(self, authorization: str | None) -> Caller:
        """Return whose key or service-account token the header holds."""
        scheme, _, text = (authorization or "").partition(" ")
        credential = text.strip(" ")
        if scheme.lower() != "bearer" or not credential:
            raise MissingCredentialError
        caller = self._callers().find(credential)
        return self._of_token(credential) if caller is None else caller

    def by_name_and_key(self, name: str, key: str) -> Caller:
        """Return the caller of that name and key."""
        caller = self._callers().find_named(name, key)
        if caller is None:
            raise InvalidCredentialError
        return caller

    def by_assertion(self, assertion: str) -> Caller:
        """Return the caller of a service-account token; raises ``InvalidGrantError``."""
        try:
            return self._of_token(assertion)
        except InvalidCredentialError:
            raise InvalidGrantError from None

    def _of_token(self, token: str) -> Caller:
        if self._service_accounts is not None and len(token) <= LONGEST_TOKEN:
            account = self._account_of(self._service_accounts, token)
            caller = self._callers().of_service_account(account)
            if caller is not None:
                return caller
        raise InvalidCredentialError

    def _account_of(self, accounts: ServiceAccounts, token: str) -> str:
        return accounts.identify(token)


class CallersAtHand(CallersAuthentication):
    """The same for one request; of service-account tokens it knows those verified before."""

    def __init__(
        self, callers: Callable[[], Callers], service_accounts: ServiceAccounts | None
    ) -> None:
        super().__init__(callers, service_accounts)
        self.holds: Callable[[], bool] | None = None

    def _account_of(self, accounts: ServiceAccounts, token: str) -> str:
        found = accounts.recall(token)
        if found is None:
            raise InvalidCredentialError
        account, self.holds = found
        return account


class NobodyIsAsked:
    """Takes everybody; the settings allow this on loopback addresses only."""

    takes_assertions = False

    holds = None

    def at_hand(self) -> "NobodyIsAsked":
        """Return itself."""
        return self

    def rests_on(self) -> object:
        """Return itself: it rests on nothing else."""
        return self

    def by_header(self, authorization: str | None) -> Caller:
        """Return :data:`ANYBODY`."""
        del authorization
        return ANYBODY

    def by_name_and_key(self, name: str, key: str) -> Caller:
        """Return :data:`ANYBODY`."""
        del name, key
        return ANYBODY

    def by_assertion(self, assertion: str) -> Caller:
        """Return :data:`ANYBODY`."""
        del assertion
        return ANYBODY
