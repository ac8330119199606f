"""Where every request for a token passes, whatever its form: who, what for, the answer, its traces.

It knows no framework, so that each way to ask shares all of it. The row of the table of errors is
looked up here, once: the answer, the audit and the metrics tell the same outcome.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from broker.audit.entry import AuditEntry
from broker.callers import Caller
from broker.clock import Clock
from broker.errors import (
    BrokerError,
    ForbiddenError,
    InvalidCredentialError,
    OrganizationRequiredError,
)
from broker.policy.answers import Served
from broker.policy.broker import Broker
from broker.policy.organization import Organization
from broker.web.answer import Answer, grant_answer, token_answer
from broker.web.authentication import Authentication
from broker.web.errors import TABLE, TOKEN_ENDPOINT, Table, row_of, told
from broker.web.refusals import RefusalLog


class Audit(Protocol):
    """Takes one entry for each request for a token; never waits and never raises."""

    def write(self, *entries: AuditEntry) -> None:
        """Take entries that were made just now."""
        ...


class Tally(Protocol):
    """Counts requests for a token; never raises."""

    def requests(self, outcome: str, state: str | None, seconds: float) -> None:
        """Count one that took ``seconds``; ``state`` is that of the token served."""
        ...

    def served(self, states: Sequence[str | None], seconds: Sequence[float]) -> None:
        """Count tokens served, by state and seconds, as :meth:`requests` does one by one."""
        ...

    def degraded(self, reason: str) -> None:
        """Count a token that was served although something is wrong."""
        ...


class Visit(NamedTuple):
    """What the connection tells of a request: its id, and the address that it came from."""

    request_id: str
    remote: str


class Wish(NamedTuple):
    """What a caller asks for; see the query of ``GET /token``."""

    organization: str | None = None
    min_ttl: int = 0
    rejected: int | None = None


class Met(NamedTuple):
    """Who asks, by name, and what for.

    ``holds`` tells whether what proved it still does; None where that rests on the callers and
    organizations in force alone.
    """

    caller: str
    organization: Organization
    holds: Callable[[], bool] | None = None


ReadWish: TypeAlias = Callable[[], Wish]
Identify: TypeAlias = Callable[[Authentication], tuple[Caller, ReadWish]]
"""Proves who asks, first; what is asked for is read only then, so a stranger learns nothing."""


class Way(NamedTuple):
    """How the answers to one method look: that with a token, and those with an error."""

    answer_of: Callable[[Served], Answer]
    table: Table


TOKEN_PATH = "/token"  # noqa: S105  # where, not what
WAYS = {
    "GET": Way(token_answer, TABLE),
    "HEAD": Way(token_answer, TABLE),
    "POST": Way(grant_answer, TOKEN_ENDPOINT),
}
"""The methods that ask :data:`TOKEN_PATH` for a token: such a request is counted and audited."""


class Desk:
    """Serves requests for a token."""

    def __init__(
        self,
        broker: Broker,
        authentication: Authentication,
        audit: Audit,
        tally: Tally,
        clock: Clock,
    ) -> None:
        self.authentication = authentication
        self._broker = broker
        self._audit = audit
        self._tally = tally
        self._clock = clock
        self._refusals = RefusalLog(clock)
        self._entries: list[AuditEntry] = []
        self._seconds: list[float] = []

    def answer(self, visit: Visit, identify: Identify, way: Way) -> Answer:
        """Return the answer, a token or an error; never raises.

        Either way it is counted, and the audit hears of it.
        """
        began, entry = self._clock.monotonic(), AuditEntry(visit.request_id, visit.remote)
        try:
            answer = way.answer_of(self._serve(entry, identify, began))
        except Exception as error:  # noqa: BLE001  # every error has its answer
            row = row_of(error, way.table)
            answer, entry.outcome = told(error, row), row.code
            if isinstance(error, InvalidCredentialError):
                self._refusals.note(visit.remote)
        self._note(entry, began)
        return answer

    def rests_on(self) -> tuple[object, frozenset[str]]:
        """Return what :meth:`meet` decides by: while both are the same, who was met still is."""
        return self.authentication.rests_on(), self._broker.organizations

    def meet(self, identify: Identify) -> Met | None:
        """Return who asks and what for; None where memory cannot tell, or a token is not all."""
        authentication = self.authentication.at_hand()
        try:
            caller, read = identify(authentication)
            wanted, min_ttl, rejected = read()
            name = choose(caller, wanted, self._broker.organizations)
        except BrokerError:
            return None
        organization = self._broker.find(name)
        if organization is None or min_ttl or rejected is not None:
            return None
        return Met(caller.name, organization, authentication.holds)

    def serve_met(self, met: Met, request_id: str, remote: str) -> Served | None:
        """Return the token that :meth:`answer` would, if memory alone can tell; never waits.

        None leaves no trace: :meth:`answer` has everything to say. The rest is :meth:`count`'s.
        """
        monotonic = self._clock.monotonic
        began = monotonic()
        served = self._broker.at_hand(met.organization, began)
        if served is not None:
            name, _, _, _, generation, state, hindrance = served
            self._entries.append(
                AuditEntry(request_id, remote, met.caller, name, generation, state)
            )
            if hindrance is not None:
                self._tally.degraded(hindrance)
            self._seconds.append(monotonic() - began)
        return served

    def count(self) -> None:
        """Count and audit what :meth:`serve_met` served since this was called last."""
        entries, self._entries = self._entries, []
        seconds, self._seconds = self._seconds, []
        self._audit.write(*entries)
        self._tally.served([entry.state for entry in entries], seconds)

    def _serve(self, entry: AuditEntry, identify: Identify, began: float) -> Served:
        caller, read = identify(self.authentication)
        entry.caller = caller.name
        wish = read()
        spent = self._clock.monotonic() - began
        known = self._broker.organizations
        if wish.organization in known:
            entry.organization = wish.organization
        entry.organization = organization = choose(caller, wish.organization, known)
        served = self._broker.token(
            organization,
            caller=caller.name,
            min_ttl=wish.min_ttl,
            rejected=wish.rejected,
            spent=spent,
        )
        self._note_served(entry, served)
        return served

    def _note_served(self, entry: AuditEntry, served: Served) -> None:
        entry.generation, entry.state = served.generation, served.state
        if served.hindrance is not None:
            self._tally.degraded(served.hindrance)

    def _note(self, entry: AuditEntry, began: float) -> None:
        self._tally.requests(entry.outcome, entry.state, self._clock.monotonic() - began)
        self._audit.write(entry)


def choose(caller: Caller, wanted: str | None, known: frozenset[str]) -> str:
    """Return the organization that ``caller`` wants and may use.

    Raises :class:`ForbiddenError`, alike for one that is not there and one that is not its own, and
    :class:`OrganizationRequiredError` where it must say which.
    """
    if wanted is not None:
        if wanted in known and caller.may_use(wanted):
            return wanted
        raise ForbiddenError
    only = caller.only_organization(known)
    if only is not None:
        return only
    if any(caller.may_use(name) for name in known):
        raise OrganizationRequiredError(
            "organization is required: this caller may use more than one"
        )
    raise ForbiddenError
