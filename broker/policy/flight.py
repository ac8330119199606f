"""One look at Redis and, where a better token is due, one attempt to get it.

The timeline of an attempt, and what a death at each point leaves behind::

    read the record          nothing
    acquire                  lease + burn mark, in one step; the lease runs out, the mark stands
    call Canvas              the same: the successor authenticates
    commit                   the record, or the same as before; never half of it
    (or) fail                a backoff for the fleet; the mark, unless that refresh surely failed

Nobody presents a marked refresh token again, so whether Canvas did its work does not matter.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from broker.errors import StoreUnavailableError
from broker.observer import Crashed, HeldBack, LeaseHeld, StoreDamaged, StoreFailed, StoreRecovered
from broker.policy.brake import HELD_BACK
from broker.policy.calls import is_slow
from broker.policy.holder import Holder
from broker.policy.landing import lost
from broker.policy.lease import Lease, Tools, wish
from broker.policy.look import look, read
from broker.policy.organization import Organization
from broker.policy.values import Binding, Copy
from broker.ports import Answer, Backoff, GrantStatus, Question, Signal, Slot, Snapshot
from broker.tokens import Kind

if TYPE_CHECKING:
    from broker.observer import Event
    from broker.policy.calls import Permit

FOLLOW_PAUSE = 0.1
"""Seconds between two looks at another process's attempt, where nobody tells of its end."""
FOLLOW_NET = 1.0
"""The same where its end is told: a message may be lost."""
_SHORTEST = 0.001
"""Seconds that a wait takes at least, for any clock to go on."""


class Flight:
    """One flight for one organization; all in this process who wait, wait for the same one.

    ``wanted`` tells of the present copy whether a better one is wanted even if none is due.
    ``begun`` is the monotonic instant at which it was made; ``waited`` says that a caller waits for
    it. ``permit`` is for its attempt; one that ``lacks_permit`` afterwards is to run again once
    there is one. ``attempted`` says afterwards that an attempt was made, here or elsewhere.
    ``looked`` is set once Redis has answered, ``done`` by whoever started the flight, once nobody
    can join it; flights that end together share them. Only then :meth:`tell` is called: an observer
    that blocks or raises delays nobody's token.
    """

    def __init__(
        self,
        organization: Organization,
        tools: Tools,
        wanted: Callable[[Copy | None], bool],
        signals: tuple[Signal, Signal],
    ) -> None:
        self.begun = tools.clock.monotonic()
        self.looked, self.done = signals
        self.attempted = self.waited = self.lacks_permit = False
        self.permit: Permit | None = None
        self._organization = organization
        self._binding = organization.binding
        self._asked = 0.0
        self._tools = tools
        self._wanted = wanted
        self._events: list[Event] = []
        self._failing = organization.store_fault is not None

    def run(self) -> None:
        """Look, and attempt where due; survives everything."""
        binding, self.lacks_permit = self._organization.binding, False
        with self._surviving():
            self._organization.unsettled = False
            self._fly(binding)
        binding.changed = None  # nobody waits for it any more

    def question(self) -> Question:
        """Return what Redis is asked where a look is all; :meth:`heed` takes the answer."""
        self._binding, self._asked = self._organization.binding, self._tools.clock.monotonic()
        return self._binding.store, self._organization.known(self._binding)

    def heed(self, answer: Answer) -> None:
        """Take over what Redis answered, and note if that is not all; survives everything."""
        with self._surviving():
            organization, snapshot = self._organization, answer()
            organization.adopt(self._binding, snapshot, self._tools.round_trip(self._asked))
            limits, now = self._tools.limits, self._tools.clock.monotonic()
            record = lost(organization, self._binding, snapshot, self._asked, limits)
            self._tools.feed.doubted |= record is not None and snapshot.server != ""
            unsettled = record is not None or organization.server_clock.stepped
            if unsettled or organization.needs_flight(now):
                organization.unsettled = True

    def tell(self) -> None:
        """Tell the observer what happened; survives everything."""
        observer, name = self._tools.observer, self._organization.name
        if self._failing and self._organization.store_fault is None:
            self._events.append(StoreRecovered(name))
        for damage in self._organization.binding.store.take_damage():
            self._organization.history.damaged(self._tools.clock.monotonic())
            self._events.append(StoreDamaged(name, damage))
        for event in self._events:
            try:
                observer.handle(event)
            except Exception as error:  # noqa: BLE001  # invariants 12 and 19
                with suppress(Exception):
                    observer.handle(Crashed(name, error))

    @contextmanager
    def _surviving(self) -> Iterator[None]:
        organization = self._organization
        try:
            yield
        except StoreUnavailableError as error:
            organization.note_silence(self._tools.clock.monotonic(), error.reason)
            self._events.append(StoreFailed(organization.name, error.reason))
        except Exception as error:  # noqa: BLE001  # invariant 12: nothing ends the refresher
            until = self._tools.clock.monotonic() + self._tools.limits.backoff_min
            organization.hold(until, "crashed")
            self._events.append(Crashed(organization.name, error))

    def _fly(self, binding: Binding) -> None:
        snapshot = self._lift(binding, look(self._organization, binding, self._tools))
        self.looked.set()
        now = self._tools.clock.monotonic()
        wanted = self._organization.is_due(now) or self._wanted(self._organization.copy)
        if wanted and self._organization.may_attempt(now):
            self._attempt(binding, snapshot)

    def _lift(self, binding: Binding, snapshot: Snapshot) -> Snapshot:
        """Lift a latch once for each new writing of the credentials; return what holds then."""
        organization, backoff = self._organization, snapshot.backoff
        if binding.is_news:
            if backoff is not None and backoff.latched:
                binding.store.lift(binding.credentials.writing)
                snapshot = look(organization, binding, self._tools)
            self._lift_here(snapshot.backoff)
            binding.is_news = False
        return snapshot

    def _lift_here(self, backoff: Backoff | None) -> None:
        """End what this process knows of a latch, unless the one in Redis stands."""
        pause, soon = self._organization.pause, self._tools.limits.backoff_min
        stands = backoff is not None and backoff.latched and backoff.remaining > soon
        if pause is not None and pause.latched and not stands:
            self._organization.pause = pause.cut(self._tools.clock.monotonic() + soon)

    def _attempt(self, binding: Binding, snapshot: Snapshot) -> None:
        clock, organization = self._tools.clock, self._organization
        slot = wish(snapshot, organization.copy)
        if self._is_held_back(slot) or not self._gets_permit():
            return
        # An attempt whose answer was lost may hold the lease: it asks again under its own name.
        attempt = organization.unanswered or self._tools.runtime.attempt_id()
        organization.unanswered = attempt
        binding.changed = self._tools.runtime.signal()
        asked = clock.monotonic()
        grant = binding.store.acquire(attempt, snapshot.generation, slot)
        organization.unanswered = None
        trip = self._tools.round_trip(asked)
        if organization.check_clock(grant.snapshot, trip):
            return  # another's lease may have ended too soon: this one runs out unused
        match grant.status:
            case GrantStatus.GRANTED:
                self.attempted = True
                binding.lease_watch.free()
                organization.write_fault = None
                calls = self._tools.limits.upstream_attempts
                lease = Lease(attempt, grant, asked, trip.answered, calls, self.permit)
                Holder(organization, binding, lease, self._tools, self._events).run()
            case GrantStatus.HELD:
                self._note_held(binding, grant.snapshot.generation)
                self.give_up_permit()
                if self.waited or not self._tools.calls.contended:
                    self._follow(binding, grant.snapshot)
            case GrantStatus.MOVED | GrantStatus.PAUSED | GrantStatus.ENDED:
                binding.lease_watch.free()
                organization.adopt(binding, grant.snapshot, trip)

    def _gets_permit(self) -> bool:
        """Tell whether there is a permit; wait for its instant."""
        calls, clock = self._tools.calls, self._tools.clock
        if self.permit is None:
            slow = is_slow(self._organization.pause)
            self.permit = calls.request(slow=slow, waited=self.waited)
        self.lacks_permit = self.waited and self.permit is None
        if self.permit is not None and (early := self.permit.since - clock.monotonic()) > 0:
            clock.sleep(early)
        return self.permit is not None

    def give_up_permit(self) -> None:
        """Give the permit up, or back if no call was made with it."""
        self._tools.calls.end(self.permit)
        self.permit = None

    def _note_held(self, binding: Binding, generation: int) -> None:
        """Tell of a lease that others hold for longer than one lives."""
        life, pause = self._tools.limits.lease, self._organization.pause
        known = generation, pause.failures if pause else 0
        seconds = binding.lease_watch.held(known, self._tools.clock.monotonic(), life)
        if seconds > life:
            self._events.append(LeaseHeld(self._organization.name, seconds))

    def _is_held_back(self, slot: Slot) -> bool:
        """Tell whether the brake holds; note until when."""
        now, organization, tools = self._tools.clock.monotonic(), self._organization, self._tools
        seconds = organization.brake.wait(now, tools.limits)
        if seconds:
            organization.hold(now + seconds, HELD_BACK)
            kind = Kind.AUTHENTICATE if slot is Slot.NONE else Kind.REFRESH
            self._events.append(HeldBack(organization.name, kind, seconds))
        return seconds > 0

    def _follow(self, binding: Binding, before: Snapshot) -> None:
        """Watch another process's attempt for as long as somebody here may wait for it.

        No longer than its credentials are in force: the new ones' record is to be looked for.
        """
        clock = self._tools.clock
        until = clock.monotonic() + self._tools.limits.wait
        while clock.monotonic() < until and self._organization.binding is binding:
            self._await_change(binding, until)
            if clock.monotonic() >= until:
                return
            self._organization.unsettled = False  # this look finds what was told by now
            snapshot, asked = read(self._organization, binding, self._tools)
            moved = snapshot.generation != before.generation
            if moved or not snapshot.lease_remaining:
                binding.lease_watch.free()
            elif self._organization.is_due(asked):
                continue
            self.attempted = True
            return

    def _await_change(self, binding: Binding, until: float) -> None:
        """Wait until another process tells of a change, or until it is time to look for one."""
        now, changed = self._tools.clock.monotonic(), binding.changed
        if changed is None or not self._tools.feed.works(now):
            self._tools.clock.sleep(FOLLOW_PAUSE)
            return
        changed.wait(max(_SHORTEST, min(FOLLOW_NET, until - now)))
        binding.changed = self._tools.runtime.signal()
