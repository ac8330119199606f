"""What this process knows of one organization: its copy of the token, and why it has no better."""

import threading
from typing import TYPE_CHECKING

from broker.limits import Limits
from broker.policy.brake import Brake
from broker.policy.earlier import Earlier, EarlierTokens
from broker.policy.history import History
from broker.policy.pause import Pause, hold
from broker.policy.server_clock import RoundTrip, ServerClock
from broker.policy.values import Binding, Copy
from broker.ports import Snapshot
from broker.secret import Secret
from broker.store_faults import Reason
from broker.tokens import State, state_of

if TYPE_CHECKING:
    from broker.policy.values import Skew, Unlanded


class Organization:
    """The state of one organization in this process.

    ``copy`` is replaced as a whole and may be read without the lock. It never goes back to a lower
    generation, nor from the credential version in force to another one. ``doubted`` is a generation
    that some caller reported, whether or not the report was accepted. ``unsettled``: a look found
    what only a flight of its own puts right, or something was changed elsewhere. ``read_fault``
    tells why the last look at Redis failed, ``write_fault`` why Redis refused the last write.
    """

    __slots__ = (
        "_earlier",
        "_limits",
        "_lock",
        "_reported",
        "asked",
        "binding",
        "brake",
        "copy",
        "doubted",
        "history",
        "looked",
        "name",
        "pause",
        "read_fault",
        "refused_generation",
        "server_clock",
        "skew",
        "unanswered",
        "unlanded",
        "unsettled",
        "wanted_since",
        "write_fault",
    )

    def __init__(self, name: str, binding: Binding, limits: Limits, now: float) -> None:
        self.name = name
        self.binding = binding
        self.brake = Brake()
        self.copy: Copy | None = None
        self.unlanded: Unlanded | None = None
        self.pause: Pause | None = None
        self.refused_generation = self.doubted = 0
        self.read_fault: Reason | None = None
        self.write_fault: Reason | None = None
        self.unsettled = False
        self.asked = now
        self.skew: Skew | None = None
        self.history = History()
        self.wanted_since: float | None = None
        self.unanswered: str | None = None
        self.server_clock = ServerClock()
        self._earlier = EarlierTokens()
        self.looked = self._reported = float("-inf")
        self._limits = limits
        self._lock = threading.Lock()

    @property
    def store_fault(self) -> Reason | None:
        """Return what keeps Redis from working for this organization, if anything does."""
        return self.read_fault or self.write_fault

    def state(self, now: float) -> State:
        """Return the state of the copy at the monotonic instant ``now``."""
        copy = self.copy
        if copy is None:
            return State.EMPTY
        return state_of(copy.remaining(now), copy.record.margin, self._limits)

    def is_due(self, now: float) -> bool:
        """Tell whether a better token is wanted: none fresh, keys replaced, or one refused."""
        copy = self.copy
        return (
            copy is None
            or copy.version != self.binding.version
            or self.refused_generation == copy.record.generation
            or (self.state(now) is not State.FRESH if copy.certain else not copy.in_doubt(now))
        )

    def may_attempt(self, now: float) -> bool:
        """Tell whether no backoff or latch forbids an attempt now."""
        pause = self.pause
        return pause is None or now >= pause.until

    def needs_flight(self, now: float) -> bool:
        """Tell whether more is to be done than a look, as far as is known."""
        wanted = self.is_due(now) and self.may_attempt(now)
        return wanted or self.unsettled or self.unlanded is not None or self.binding.is_news

    def known(self, binding: Binding) -> int:
        """Return the generation of the copy, 0 without a certain one of these credentials."""
        copy = self.copy
        known = copy is not None and copy.version == binding.version and copy.certain
        return copy.record.generation if copy and known else 0

    def may_be(self, copy: Copy | None, generation: int) -> bool:
        """Tell whether ``copy`` may be the token that was served under ``generation``.

        A commit whose answer was lost may have given it a higher generation, served elsewhere.
        """
        if copy is None:
            return False
        later = self.unlanded is not None and generation > copy.record.generation
        return later or copy.record.names(generation)

    def rebind(self, binding: Binding) -> None:
        """Go over to these credentials: the old token is served until there is a new one."""
        with self._lock:
            if binding.version != self.binding.version:
                self.pause = self.unanswered = None
            elif self.pause is None or not self.pause.latched:
                binding.is_news = False  # no latch is to be lifted
            self.binding = binding

    def install(self, copy: Copy) -> bool:
        """Take ``copy`` unless the present one is newer; tell whether it is the present one now.

        Whoever committed it may have got an old answer from a cache, and not have known the token.
        If it is one that was held here, its end is not extended.
        """
        with self._lock:
            present = self.copy
            taken = present is None or self._replaces(copy, present)
            if taken:
                self._earlier.add(present)
                self.copy = self._earlier.dated(copy)
            return taken

    def held(self, access_token: Secret) -> Earlier | None:
        """Return what is known of an access token that is held, or was not long ago."""
        copy = self.copy
        if copy is not None and copy.record.access_token == access_token:
            return Earlier.of(copy)
        return self._earlier.find(access_token)

    def _replaces(self, copy: Copy, present: Copy) -> bool:
        newer = copy.record.generation - present.record.generation
        if newer == 0:
            return copy.certain and not present.certain
        in_force = copy.version in {present.version, self.binding.version}
        return newer > 0 and in_force and not self._is_weaker(copy, present)

    def _is_weaker(self, copy: Copy, present: Copy) -> bool:
        """Tell whether ``copy`` is dead, a failure's short-lived token, or an old one put back.

        One that Canvas refused is no better than a short-lived one.
        """
        older = copy.record.provisional < present.record.provisional
        if present.version != copy.version or (present.expires <= copy.expires and not older):
            return False
        dead = copy.expires <= self.looked + self._limits.dead
        refused = present.record.generation in {self.refused_generation, self.doubted}
        short = copy.record.lifetime < self._limits.short_life and not refused
        return older or dead or short

    def adopt(self, binding: Binding, snapshot: Snapshot, trip: RoundTrip) -> None:
        """Take over what Redis holds, unless it was timed by another clock than the present one.

        That is what was written to another server, and all once Redis's clock was set.
        """
        stepped = self.check_clock(snapshot, trip)
        asked, in_force = trip.asked, binding.version == self.binding.version
        self.looked, self.read_fault = asked if in_force else self.looked, None
        if stepped:
            return
        record = snapshot.record
        if record is not None and not snapshot.foreign:
            left, certain = self.server_clock.life_left(record, snapshot, trip)
            minted = asked + left - record.lifetime
            doubted_until = asked + self._limits.backoff_min
            copy = Copy(record, binding.version, asked + left, minted, certain, doubted_until)
            if self.install(copy):
                self.history.adopted(copy.minted)
        if binding.version == self.binding.version:
            if asked >= self._reported:
                self.refused_generation = snapshot.generation if snapshot.refused else 0
            held = self.copy if self.known(binding) else None
            self.pause = Pause.of(snapshot, asked, self.pause, held)

    def check_clock(self, snapshot: Snapshot, trip: RoundTrip) -> bool:
        """Tell whether Redis's clock was set and it is yet to be told so, by a flight.

        Who holds no token and has not looked for a lease is as one that starts: what it tells is
        known by now, and each that told it again would hold up all and undo the newest record.
        """
        idle = trip.asked - self.looked > self._limits.lease
        if idle and self.state(trip.asked) is State.EMPTY:
            self.server_clock.forget()
        self.unsettled = self.server_clock.check(snapshot, trip) or self.unsettled
        return self.server_clock.stepped

    def note_failure(self, binding: Binding, pause: Pause) -> None:
        """Heed a backoff at once, unless the credentials were replaced since."""
        with self._lock:
            if binding.version == self.binding.version:
                self.pause = pause

    def note_refusal(self, generation: int, now: float) -> None:
        """Note that a report against ``generation`` stands; who asked before may not know it."""
        self.refused_generation, self._reported = generation, now

    def note_refresh(self, binding: Binding, *, paused: bool) -> None:
        """Note that a token pair was committed here."""
        if not paused and binding.version == self.binding.version:
            self.pause = None

    def note_request(self, now: float, keep_warm: float) -> None:
        """Note that somebody asked for a token; one is kept for ``keep_warm`` seconds."""
        if self.wanted_since is None or now - self.asked >= keep_warm:
            self.wanted_since = now
        self.asked = now

    def note_silence(self, now: float, reason: Reason) -> None:
        """Note that Redis was asked and failed; what is unsettled waits for the next look."""
        self.looked, self.unsettled = now, False
        if reason.row.refuses_writes:
            self.write_fault = reason
        else:
            self.read_fault = reason

    def hold(self, until: float, why: str) -> None:
        """Make no attempt before the monotonic instant ``until``, for a reason of our own."""
        self.pause, self.unsettled = hold(self.pause, until, why, self.copy), False
