"""Whether changes made elsewhere are told here, and how often Redis is looked at all the same."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from broker.feed import Change
from broker.limits import Limits
from broker.observer import FeedDown, FeedUp
from broker.policy.organization import Organization
from broker.store_faults import Reason
from broker.tokens import State

if TYPE_CHECKING:
    from broker.policy.flights import Flights
    from broker.policy.lease import Tools
    from broker.policy.schedule import Schedule

NET = 30.0
"""Seconds until the next look while changes are told: a message may be lost."""
SILENCE = 2.5
"""Seconds after the last sign of life until which changes are taken to be told."""
LATE = 1.25
"""A copy is looked at by the request itself once it is this many periods old."""


class Feed:
    """Until when changes are taken to be told; a thread that does not run ends that by itself.

    ``doubted`` says that a look found what nobody told of, and that the rest is to be looked at.
    """

    def __init__(self) -> None:
        self._until = float("-inf")
        self.doubted = False

    def works(self, now: float) -> bool:
        """Tell whether changes are told at the monotonic instant ``now``."""
        return now < self._until

    def note_sign(self, now: float) -> None:
        """Note a sign of life."""
        self._until = now + SILENCE

    def end(self) -> None:
        """Note that nothing is told any more."""
        self._until = float("-inf")

    def period(self, organization: Organization, now: float, limits: Limits) -> float:
        """Return the seconds for which the copy is served without a look.

        Where a caller would feel the loss of a message, changes are looked for as if none were
        told.
        """
        if not self.works(now) or organization.store_fault is not None:
            return limits.revalidate
        ends = organization.state(now) in {State.CRITICAL, State.EMPTY}
        return limits.revalidate if ends else max(NET, limits.revalidate)

    def is_old(self, organization: Organization, now: float, limits: Limits) -> bool:
        """Tell whether a request must look before it is served the copy."""
        age = now - organization.looked
        if age <= limits.revalidate * LATE:
            return False
        return organization.unsettled or age > self.period(organization, now, limits) * LATE

    def is_late(self, organization: Organization, now: float, limits: Limits) -> bool:
        """Tell the same of a copy that is neither critical nor empty, in less time.

        It was looked at longer ago than ``limits.revalidate`` and a quarter.
        """
        return (
            now >= self._until
            or organization.unsettled
            or organization.read_fault is not None
            or organization.write_fault is not None
            or now - organization.looked > max(NET, limits.revalidate) * LATE
        )


class Changes:
    """Implements :class:`broker.feed.Listener`: makes due for a look what has changed."""

    def __init__(
        self,
        tools: "Tools",
        schedule: "Schedule",
        flights: "Flights",
        organizations: Callable[[], Mapping[str, Organization]],
    ) -> None:
        self._tools = tools
        self._feed = tools.feed
        self._schedule = schedule
        self._flights = flights
        self._organizations = organizations

    @property
    def told(self) -> bool:
        """Tell whether changes are told here now."""
        return self._feed.works(self._tools.clock.monotonic())

    def connected(self) -> None:
        """Look at everything once: what changed before was not heard."""
        self._feed.note_sign(self._tools.clock.monotonic())
        self._look_at_all()
        self._tools.observer.handle(FeedUp())

    def heard(self, changes: Sequence[Change]) -> None:
        """Look at what changed elsewhere."""
        now = self._tools.clock.monotonic()
        self._feed.note_sign(now)
        organizations = self._organizations()
        for change in changes:
            organization = organizations.get(change.organization)
            if organization is not None and _is_news(change, organization):
                self._note(organization, now)
        if self._feed.doubted:
            self._look_at_all()
        elif changes:
            self._flights.launch_due()

    def lost(self, reason: Reason) -> None:
        """Look at everything, and often from now on."""
        self._feed.end()
        self._look_at_all()
        self._tools.observer.handle(FeedDown(reason))

    def _note(self, organization: Organization, now: float) -> None:
        organization.unsettled = True
        if (changed := organization.binding.changed) is not None:
            changed.set()
        if self._schedule.keeps_warm(organization, now):
            self._schedule.plan(organization, now)

    def _look_at_all(self) -> None:
        """Make due what is in use; the others are looked at by who asks for them next."""
        now, self._feed.doubted = self._tools.clock.monotonic(), False
        for organization in self._organizations().values():
            if not self._schedule.is_in_use(organization, now) or organization in self._flights:
                organization.unsettled = True
            else:
                self._schedule.plan(organization, now)
        self._flights.launch_due()


def _is_news(change: Change, organization: Organization) -> bool:
    """Tell whether the change is not known here already."""
    binding = organization.binding
    known = 0 < change.generation <= organization.known(binding)
    return change.name == binding.store.name and not known
