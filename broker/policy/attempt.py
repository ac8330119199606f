"""What an attempt leaves behind: notes of how it went, and a pause after a failure."""

from dataclasses import dataclass, field

from broker.errors import ThrottledError, UpstreamError
from broker.observer import AnswerFlawed, CallFailed, CallSucceeded, Event
from broker.policy.lease import Lease, Tools, backoff_delay, latch_delay
from broker.policy.organization import Organization
from broker.policy.pause import Pause
from broker.policy.values import Binding
from broker.ports import Failure
from broker.tokens import Flaw, State

MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Attempt:
    """One lease, for whom it was granted and with what.

    What the observer is to be told goes into ``events``: nothing stands between an answer of
    Canvas and its being served.
    """

    organization: Organization
    binding: Binding
    lease: Lease
    tools: Tools
    events: list[Event] = field(default_factory=list)

    def note_success(self, flaws: frozenset[Flaw]) -> None:
        """Note that Canvas gave a token pair."""
        now, kind = self.tools.clock.monotonic(), self.lease.kind
        seconds, name = now - self.lease.called, self.organization.name
        self.organization.history.succeeded(now, kind, seconds)
        self.events.append(CallSucceeded(name, kind, seconds))
        copy, known = self.organization.copy, self.organization.history.flawed(flaws)
        known = known | copy.record.flaws if copy else known
        self.events.extend(AnswerFlawed(name, one, one in known) for one in sorted(flaws))

    def note_failure(self, error: UpstreamError) -> None:
        """Note that a call failed."""
        if isinstance(error, ThrottledError):
            self.tools.calls.note_refused()
        now, kind = self.tools.clock.monotonic(), self.lease.kind
        seconds, name = now - self.lease.called, self.organization.name
        self.organization.history.failed(now, kind, seconds, error)
        self.events.append(CallFailed(name, kind, error, seconds))

    def failure(
        self, kind: str, retry_after: float | None = None, *, latched: bool = False
    ) -> Failure:
        """Return what is left behind by a failure of this kind."""
        limits, chance = self.tools.limits, self.tools.runtime.random()
        failures, refusals = self._in_a_row()
        if latched:
            delay = latch_delay(refusals, chance, limits)
        else:
            empty = self.organization.state(self.tools.clock.monotonic()) is State.EMPTY
            cap = limits.backoff_empty if empty else limits.backoff_valid
            delay = max(backoff_delay(failures, chance, retry_after, cap), limits.backoff_min)
        now, before = self._redis_now(), self.lease.grant.snapshot.backoff
        writing, acted = self.binding.credentials.writing, now
        if before is not None and before.refusals:
            writing, acted = before.writing, before.acted
        return Failure(kind, delay, latched, refusals + latched, writing, acted, now)

    def pause(self, failure: Failure, generation: int) -> None:
        """Heed the backoff here at once, whatever Redis makes of it.

        A record that Canvas gives later than ``generation`` ends it.
        """
        failures, refusals = self._in_a_row()
        pause = Pause(
            self.tools.clock.monotonic() + failure.delay,
            failures + 1,
            failure.kind,
            failure.latched,
            refusals + failure.latched,
            generation,
        )
        self.organization.note_failure(self.binding, pause.remembered())

    @property
    def latest(self) -> int:
        """Return what no record exceeds that Canvas gave before this call.

        That may be more than the generation which Redis held: it may have lost all.
        """
        called = int(self.lease.redis_time(self.lease.called) * MICROSECONDS)
        return max(self.lease.expected, called)

    def _redis_now(self) -> float:
        return self.lease.redis_time(self.tools.clock.monotonic())

    def _in_a_row(self) -> tuple[int, int]:
        """Return the failures and refusals before this one: Redis may have lost some of them."""
        known = (self.lease.grant.snapshot.backoff, self.organization.pause)
        there = [each for each in known if each is not None]
        failures = max((each.failures for each in there), default=0)
        return failures, max((each.refusals for each in there), default=0)
