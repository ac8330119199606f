"""Until when this process makes no attempt, and why: what Redis tells and what it knows itself."""

from dataclasses import dataclass, replace
from typing import Self

from broker.limits import BACKOFF_MEMORY
from broker.policy.values import Copy
from broker.ports import Snapshot

_NEVER = float("-inf")


@dataclass(frozen=True, slots=True)
class Pause:
    """No attempt before the monotonic instant ``until``; otherwise as :class:`Backoff`.

    Until ``kept_until`` this process heeds it whatever Redis says: it knows that it has to be.
    ``generation`` is the one that Redis held when it began: a record that Canvas gave later ends
    it.
    """

    until: float
    failures: int
    failure: str
    latched: bool
    refusals: int = 0
    generation: int = 0
    kept_until: float = _NEVER

    @classmethod
    def of(
        cls, snapshot: Snapshot, now: float, known: Self | None, copy: Copy | None
    ) -> Self | None:
        """Return what holds at the monotonic instant ``now``, at which Redis told ``snapshot``.

        ``known`` is the one in force, ``copy`` what is held of these credentials. Which record is
        newer its provisional generation tells: whoever writes to Redis cannot make that one up.
        """
        told, backoff = None, snapshot.backoff
        if backoff is not None:
            told = cls(
                now + backoff.remaining,
                backoff.failures,
                backoff.failure,
                backoff.latched,
                backoff.refusals,
                snapshot.generation,
            )
            told = told.remembered() if backoff.vouched else told
        records = snapshot.record, copy.record if copy else None
        newest = max(record.provisional if record else 0 for record in records)
        if known is None or now >= known.kept_until or newest > known.generation:
            return told
        return known if told is None else known.beside(told)

    def remembered(self) -> Self:
        """Return the same, kept for as long as failures count as being in a row."""
        return replace(self, kept_until=self.until + BACKOFF_MEMORY)

    def beside(self, told: Self) -> Self:
        """Return what holds where Redis tells another: the one that ends later."""
        return replace(
            self if self.until >= told.until else told,
            failures=max(self.failures, told.failures),
            refusals=max(self.refusals, told.refusals),
            generation=self.generation,
            kept_until=max(self.kept_until, told.kept_until),
        )

    def cut(self, until: float) -> Self:
        """Return the same, ended by the monotonic instant ``until``."""
        return replace(self, until=min(self.until, until))


def hold(known: Pause | None, until: float, why: str, copy: Copy | None) -> Pause:
    """Return ``known`` made longer, to the monotonic instant ``until``, for a reason of our own.

    It is kept until then, or until there is a newer token than ``copy``. What is latched stays so.
    """
    generation = copy.record.provisional if copy else 0
    if known is None:
        return Pause(until, 1, why, latched=False, generation=generation, kept_until=until)
    return replace(
        known,
        until=max(known.until, until),
        failure=known.failure if known.latched else why,
        generation=max(known.generation, generation),
        kept_until=max(known.kept_until, until),
    )
