"""What a server holds of one organization and credential version, as plain fields."""

from dataclasses import dataclass

from broker.limits import EARLY_REFUSALS, ONE_WRITING, Limits
from broker.ports import Backoff, Failure
from broker.tokens import Record, Spare

_BACKOFF_MEMORY = 600.0
_NO_BACKOFF = Backoff(0.0, 0, "", latched=False)


@dataclass(slots=True)
class Shelf:
    """All that one organization and credential version keeps in a server."""

    generation: int = 0
    attempt: str = ""
    record: Record | None = None
    server: str = ""
    presented: str = ""
    refused: bool = False
    spare: Spare | None = None
    spare_attempt: str = ""
    spare_presented: str = ""
    spare_server: str = ""
    seen: str = ""
    lease: tuple[str, str] | None = None
    lease_until: float = 0.0
    backoff: Backoff | None = None
    backoff_attempt: str = ""
    backoff_server: str = ""
    backoff_until: float = 0.0
    backoff_ends: float = 0.0
    writing: str | None = None
    acted: float = 0.0
    report_until: float = 0.0
    ends: float = 0.0

    def forget_record(self) -> None:
        """Lose the record with all its marks, as Redis does when its TTL is over."""
        self.generation, self.attempt, self.record, self.server = 0, "", None, ""
        self.presented, self.refused, self.ends = "", False, 0.0
        self.spare, self.spare_attempt, self.spare_presented = None, "", ""
        self.spare_server = self.seen = ""

    def is_foreign_to(self, server: str) -> bool:
        """Tell whether the record or the spare was written to another server than ``server``."""
        record = bool(self.generation) and self.server != server
        return record or (self.spare is not None and self.spare_server != server)

    def spare_is_good(self, attempt: str, server: str) -> bool:
        """Tell whether the spare was written to ``server`` and presented by no other attempt."""
        return self.spare_presented in {"", attempt} and self.spare_server == server

    def back_off(self, attempt: str, failure: Failure, server: str, now: float) -> None:
        """Leave a backoff; count the failure, and by itself a refusal of the keys."""
        before = self.backoff or _NO_BACKOFF
        self.backoff = Backoff(
            failure.delay,
            before.failures + 1,
            failure.kind,
            failure.latched,
            before.refusals + failure.latched,
        )
        if failure.latched and self.writing is None:
            self.writing, self.acted = failure.writing, now
        self.backoff_attempt, self.backoff_server = attempt, server
        self.backoff_until = now + failure.delay
        self.backoff_ends = self.backoff_until + _BACKOFF_MEMORY

    def lift(self, writing: str, limits: Limits, now: float) -> None:
        """End a latch that runs, unless this writing, or another too shortly ago, has done so."""
        if self.backoff is None or not self.backoff.latched or self.writing == writing:
            return
        least = 0.0
        if self.backoff.refusals >= EARLY_REFUSALS:
            least = limits.latch
        elif _host(self.writing) != _host(writing):
            least = min(limits.latch, ONE_WRITING)
        if not 0 <= now - self.acted < least:
            self.backoff_until = now + limits.backoff_min
            self.writing, self.acted = writing, now

    def forget_backoff(self) -> None:
        """Lose the backoff, as a success or its TTL makes Redis do."""
        self.backoff, self.backoff_attempt, self.writing, self.acted = None, "", None, 0.0


def _host(writing: str | None) -> str:
    return (writing or "").partition("/")[0]
