"""What a server holds of one organization and credential version, as plain fields."""

from dataclasses import dataclass
from typing import Self

from broker.limits import BACKOFF_MEMORY
from broker.ports import Backoff, Failure, Slot
from broker.store.damage import GENERATION_RANGE_US
from broker.store.vouch import Vouch
from broker.tokens import Record, Spare

RECORD_LIFE = 604_800.0
"""Seconds for which a record is kept at most, as ``prelude.lua`` has it."""
_FOREIGN = "foreign"
_OTHER_CLOCK = "clock stepped"
_CLOCK_TOLERANCE = 3.0
_SHORTEST_LIFE = 1.0
_NO_RECORD: dict[str, object] = {
    **dict.fromkeys(("attempt", "server", "presented", "seen"), ""),
    **dict.fromkeys(("spare_attempt", "spare_presented", "spare_server"), ""),
    "generation": 0,
    "record": None,
    "written": 0.0,
    "refused": False,
    "spare": None,
}
_NO_BACKOFF = Backoff(0.0, 0, "", latched=False)


@dataclass(slots=True)
class Shelf:
    """All that one organization and credential version keeps in a server."""

    generation: int = 0
    attempt: str = ""
    record: Record | None = None
    server: str = ""
    written: float = 0.0
    presented: str = ""
    refused: bool = False
    spare: Spare | None = None
    spare_attempt: str = ""
    spare_presented: str = ""
    spare_server: str = ""
    seen: str = ""
    lease: tuple[str, str] | None = None
    lease_until: float = 0.0
    lease_written: float = 0.0
    fence: str = ""
    backoff: Backoff | None = None
    backoff_attempt: str = ""
    backoff_server: str = ""
    backoff_vouch: Vouch | None = None
    backoff_written: float = 0.0
    backoff_until: float = 0.0
    backoff_ends: float = 0.0
    report_until: float = 0.0
    report_written: float = 0.0
    ends: float = 0.0

    def at(self, now: float) -> Self:
        """Return itself, without what has come to its end."""
        if self.ends and now >= self.ends:
            self.forget_record()
        if self.backoff and now >= self.backoff_ends:
            self.forget_backoff()
        if now >= self.lease_until:
            self.lease = None
        if now >= self.report_until:
            self.report_until = 0.0
        return self

    @property
    def has_record(self) -> bool:
        """Tell whether there is anything of a record, or of a spare."""
        return any(getattr(self, name) != value for name, value in _NO_RECORD.items())

    def forget_record(self) -> None:
        """Lose the record with all its marks, as Redis does when its TTL is over."""
        self.ends = 0.0
        for name, value in _NO_RECORD.items():
            setattr(self, name, value)

    def holds(self, attempt: str, least: int, now_us: int) -> bool:
        """Tell whether ``attempt`` has committed: its record has at least that generation.

        The attempt lies open: whoever puts it beside another record has not committed this one.
        """
        latest = max(least, now_us) + GENERATION_RANGE_US
        return self.attempt == attempt and least <= self.generation <= latest

    def is_record_foreign(self, server: str, now: float) -> bool:
        """Tell whether there is a record of another server, or of before its clock was set back."""
        return bool(self.generation) and (self.server != server or self.written > now)

    def is_foreign_to(self, server: str, now: float) -> bool:
        """Tell the same of the record or the spare."""
        spare = self.spare is not None and self.spare_server != server
        return spare or self.is_record_foreign(server, now)

    def spare_for(self, attempt: str, server: str) -> Spare | None:
        """Return the spare if it was written to ``server`` and presented by no other attempt."""
        good = self.spare_presented in {"", attempt} and self.spare_server == server
        if not good or not isinstance(self.spare, Spare):
            return None
        return self.spare if self.spare.is_beside(self.generation) else None

    def back_off(self, attempt: str, failure: Failure, server: str, now: float) -> None:
        """Leave a backoff, and count the failure."""
        before = self.backoff or _NO_BACKOFF
        self.backoff = Backoff(failure.delay, before.failures + 1, failure.kind, failure.latched)
        self.backoff_attempt, self.backoff_server = attempt, server
        self.backoff_written, self.backoff_until = now, now + failure.delay
        self.backoff_ends = self.backoff_until + BACKOFF_MEMORY

    def forget_backoff(self) -> None:
        """Lose the backoff, as a success or its TTL makes Redis do."""
        self.backoff, self.backoff_attempt = None, ""
        self.backoff_server, self.backoff_written, self.backoff_until = "", 0.0, 0.0
        self.backoff_vouch = None
        self.backoff_ends = 0.0

    def backoff_remaining(self, server: str, now: float, longest: float) -> float:
        """Return the seconds left of the backoff; 0 if another server or clock told its end.

        It lasts no longer than ``longest`` from when it was written, whatever it says.
        """
        foreign = self.backoff_server != server or self.backoff_written > now
        until = min(self.backoff_until, self.backoff_written + longest)
        return 0.0 if self.backoff is None or foreign else max(0.0, until - now)

    def mark_foreign(self, server: str, now: float) -> None:
        """Let what is another server's count as presented."""
        if self.is_record_foreign(server, now):
            self.presented = self.presented or _FOREIGN
        if self.spare and self.spare_server != server:
            self.spare_presented = self.spare_presented or _FOREIGN

    def burned(self, attempt: str) -> Slot:
        """Return what ``attempt`` has marked as presented."""
        if self.spare_presented == attempt:
            return Slot.SPARE
        return Slot.OWN if self.presented == attempt else Slot.NONE

    def keep_until(self, expires_at: float, now: float) -> None:
        """Let the record live until then; a spare never shortens that."""
        latest = min(expires_at, now + RECORD_LIFE)
        self.ends = max(self.ends, latest, now + _SHORTEST_LIFE)

    def clear_marks(self, attempt: str) -> None:
        """Take back what ``attempt`` marked as presented."""
        if self.presented == attempt:
            self.presented = ""
        if self.spare_presented == attempt:
            self.spare_presented = ""

    def note_clock_step(self, server: str, now: float) -> None:
        """Take record, spare and backoff for another server's."""
        if self.generation or self.spare:
            self.server, self.seen, self.written = _OTHER_CLOCK, server, now
        if self.spare:
            self.spare_server = _OTHER_CLOCK
        self.backoff_server = _OTHER_CLOCK


def name_for(record: Record, server: str, now: float) -> str:
    """Return the name that a record is written under: ``server``'s, if its clock timed it."""
    error = abs(now - record.stamp.redis) if record.stamp else 0.0
    return _OTHER_CLOCK if error > _CLOCK_TOLERANCE else server
