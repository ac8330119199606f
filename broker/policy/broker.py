"""The broker: gives callers the current token and keeps it current.

What a caller gets, by the state of the in-process copy (``refresh-protocol.md``, "States"):

====================  ==========================================================
FRESH, STALE          the token at once; the refresher works in the background
CRITICAL              the token, after a short wait for the refresh in flight
EMPTY                 a token if one comes within that wait, else an error
====================  ==========================================================
"""

from collections.abc import Iterable, Mapping
from functools import partial

from broker.credentials import Credentials
from broker.errors import ForbiddenError, TemporarilyUnavailableError
from broker.policy.ability import Ability, ServingSearch
from broker.policy.answers import Served, check_min_ttl, no_other, refusal, serve
from broker.policy.feed import LATE, Changes
from broker.policy.flights import Flights
from broker.policy.health import OrganizationHealth, health_of
from broker.policy.history import Event
from broker.policy.landing import land_last
from broker.policy.lease import Tools
from broker.policy.look import try_look
from broker.policy.organization import Organization
from broker.policy.places import Places, Waiter
from broker.policy.reports import report
from broker.policy.schedule import Schedule
from broker.policy.values import Binding, Copy
from broker.policy.write_checks import WriteChecks
from broker.ports import RecordStores
from broker.tokens import State, state_of


class Broker:
    """Keeps one good token for each organization of this process.

    ``waiters`` is how many requests may wait at once; ``keep_warm`` the seconds after its last
    request for which an organization's token is kept current.
    """

    def __init__(
        self, tools: Tools, stores: RecordStores, *, keep_warm: float, waiters: int
    ) -> None:
        self._tools = tools
        self._limits = tools.limits
        self._clock = tools.clock
        self._random = tools.runtime.random
        self._late = tools.limits.revalidate * LATE
        self._feed = tools.feed
        self._keep_warm = keep_warm
        self._stores = stores
        self._schedule = Schedule(tools.limits, keep_warm, tools.feed)
        self._organizations: dict[str, Organization] = {}
        self._serving = ServingSearch()
        self.organizations: frozenset[str] = frozenset()
        """The names of the organizations whose credentials are loaded."""
        self.places = Places(waiters)
        self._flights = Flights(tools, stores, self.places, self._schedule, self._replan)
        self.changes = Changes(tools, self._schedule, self._flights, lambda: self._organizations)
        self._write_checks = WriteChecks(tools, stores, self._schedule.keeps_warm)

    def configure(self, credentials: Mapping[str, Credentials]) -> None:
        """Take over which organizations there are and what their credentials are."""
        present, due = dict(self._organizations), []
        for name in present.keys() - credentials.keys():
            self._schedule.drop(present.pop(name))
        for name, keys in credentials.items():
            organization = present.get(name)
            if organization is not None and organization.binding.holds(keys):
                continue
            binding = Binding(keys, self._stores.open(name, keys))
            now = self._clock.monotonic()
            if organization is None:
                organization = present[name] = Organization(name, binding, self._limits, now)
            else:
                organization.rebind(binding)
            due.append(organization)
        self._organizations, self.organizations = present, frozenset(present)
        # Workers go different ways through many that are due at once, or all meet at each.
        due.sort(key=lambda _: self._random())
        for organization in due:  # only now: a flight that ends is planned again by what is known
            self._schedule.plan(organization, self._clock.monotonic())

    def token(
        self,
        name: str,
        *,
        caller: str = "",
        min_ttl: int = 0,
        rejected: int | None = None,
        spent: float = 0.0,
    ) -> Served:
        """Return the current token of the organization ``name``.

        ``caller`` is who asks, by name, and has a share of the places to wait; ``min_ttl`` the
        seconds that the token must still live; ``rejected`` the generation that Canvas answered 401
        to; ``spent`` the seconds that the request has taken already, for it ends within
        ``limits.request`` under any fault. Raises
        :class:`~broker.errors.ForbiddenError` for an unknown organization,
        :class:`~broker.errors.InvalidRequestError` for a ``min_ttl`` above what a token can have,
        and :class:`~broker.errors.UnavailableError`.
        """
        organization = self._organizations.get(name)
        if organization is None:
            raise ForbiddenError(name)
        now, refused, limits = self._clock.monotonic(), rejected or 0, self._limits
        organization.note_request(now, self._keep_warm)
        began = now - spent
        waiter = Waiter(caller, began + limits.wait, began + limits.last_look)
        copy = self._current(organization, refused, waiter)
        if organization.may_be(copy, refused):
            copy = self._other(organization, copy, refused, waiter)
        check_min_ttl(copy, min_ttl)
        if not self._lives(copy, min_ttl):
            copy = self._longer_lived(organization, min_ttl, refused, waiter)
        now = self._clock.monotonic()
        return serve(organization, copy, now, self._random(), self._limits)

    def find(self, name: str) -> Organization | None:
        """Return the organization ``name`` for :meth:`at_hand`; None if there is none."""
        return self._organizations.get(name)

    def at_hand(self, organization: Organization, now: float) -> Served | None:
        """Return what :meth:`token` would, where memory alone can tell; None anywhere else.

        ``now`` is the monotonic instant.
        """
        copy = organization.copy
        if copy is None:
            return None
        if (
            now - organization.looked > self._late
            and self._feed.is_late(organization, now, self._limits)
            and organization not in self._flights
        ):
            return None
        served = serve(organization, copy, now, self._random(), self._limits)
        if served.state is State.CRITICAL or served.state is State.EMPTY:
            return None
        organization.note_request(now, self._keep_warm)
        return served

    def _current(self, organization: Organization, refused: int, waiter: Waiter) -> Copy:
        """Return the copy that the state table allows to be served."""
        if self._is_old(organization, refused, self._clock.monotonic()):
            self._look_now(organization, waiter)
        match organization.state(self._clock.monotonic()):
            case State.FRESH | State.STALE:
                pass
            case State.CRITICAL | State.EMPTY:
                self._flights.wait(organization, self._is_good, waiter)
        copy = organization.copy
        if copy is None or not self._lives(copy, self._limits.dead):
            raise refusal(organization, self._clock.monotonic())
        return copy

    def _is_old(self, organization: Organization, refused: int, now: float) -> bool:
        """Tell whether the request itself must look: too long ago, or a newer one was refused."""
        copy = organization.copy
        if copy is None and organization.may_attempt(now):
            return False  # the flight to come looks
        if copy is not None and copy.record.generation < refused:
            return True
        return self._feed.is_old(organization, now, self._limits)

    def _look_now(self, organization: Organization, waiter: Waiter) -> None:
        """Bring an idle organization's copy up to date; its next looks are the refresher's."""
        if organization in self._flights or self._clock.monotonic() > waiter.last_look:
            return
        try_look(organization, self._tools)
        self._schedule.replan(organization, self._clock.monotonic())

    def _is_good(self, copy: Copy | None) -> bool:
        """Tell whether nobody needs to wait for a better one."""
        if copy is None:
            return False
        left = copy.remaining(self._clock.monotonic())
        return state_of(left, copy.record.margin, self._limits) in {State.FRESH, State.STALE}

    def _lives(self, copy: Copy | None, seconds: float) -> bool:
        return copy is not None and copy.remaining(self._clock.monotonic()) > seconds

    def _longer_lived(
        self, organization: Organization, min_ttl: int, refused: int, waiter: Waiter
    ) -> Copy:
        def enough(copy: Copy | None) -> bool:
            return self._lives(copy, min_ttl) and not organization.may_be(copy, refused)

        self._flights.wait(organization, enough, waiter, force=True)
        if (copy := organization.copy) is None or not enough(copy):
            raise TemporarilyUnavailableError(
                "No token with this min_ttl can be had at the moment.", retry_after=5
            )
        return copy

    def _other(self, organization: Organization, given: Copy, refused: int, waiter: Waiter) -> Copy:
        """Return a copy that is not the one that Canvas refused, as ``given`` is."""

        def is_other(copy: Copy | None) -> bool:
            return self._lives(copy, self._limits.dead) and not organization.may_be(copy, refused)

        organization.doubted = given.record.generation
        if self._clock.monotonic() > waiter.last_look:
            raise no_other(organization, self._clock.monotonic())
        look_now = partial(self._look_now, waiter=waiter)
        retry_after = report(organization, given.record.generation, self._tools, look_now)
        if retry_after is None:
            self._flights.wait(organization, is_other, waiter)
            if (copy := organization.copy) is not None and is_other(copy):
                return copy
            raise no_other(organization, self._clock.monotonic())
        raise TemporarilyUnavailableError("It is not replaced yet.", retry_after=retry_after)

    def _replan(self, organization: Organization) -> None:
        if organization is self._organizations.get(organization.name):
            self._schedule.replan(organization, self._clock.monotonic())

    def tick(self) -> None:
        """Start the flights whose time has come; called several times a second."""
        self._flights.launch_due()
        self._tools.calls.settle()
        self._write_checks.launch_due(self._organizations.values())

    def finish(self, seconds: float) -> bool:
        """Begin no more; let flights end and commits land for ``seconds``; tell whether all did."""
        self._flights.stop()
        return land_last(self._organizations.values(), self._flights, self._clock, seconds)

    def ability(self) -> Ability:
        """Return what this process can do for callers."""
        now, written = self._clock.monotonic(), self._write_checks.passed
        return self._serving.ability(self._organizations, now, written=written)

    def histories(self, names: Iterable[str]) -> dict[str, tuple[Event, ...]]:
        """Return what happened last to the organizations of these names, as far as there are."""
        now, present = self._clock.monotonic(), self._organizations
        known = (present[name] for name in names if name in present)
        return {one.name: tuple(one.history.recent(now)) for one in known}

    def health(self) -> list[OrganizationHealth]:
        """Return what operators may know of each organization, by name."""
        now, wait = self._clock.monotonic(), self._limits.wait
        host, warm = self._clock.wall() - now, self._schedule.keeps_warm
        ordered = (one for _, one in sorted(self._organizations.items()))
        return [health_of(one, now, host, kept=warm(one, now), wait=wait) for one in ordered]
