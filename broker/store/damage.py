"""Which record is sound, and what was found unsound until somebody takes note of it."""

import threading
from collections.abc import Iterable

from broker.store_damage import Damage
from broker.tokens import Record

GENERATION_RANGE_US = 86_400_000_000
"""Microseconds: a record is given its generation within a day of when its content was sealed."""
_MOST = 32
_lock = threading.Lock()


def is_generation_of(record: Record, generation: int) -> bool:
    """Tell whether ``record`` may have been stored under ``generation``, by its sealed content.

    ``record.generation`` is the one that it was sealed with. Redis gives the final one, which is
    nearly its time, or nearly those that its writer knew, and never below them.
    """
    anchors = [record.generation, record.provisional]
    if record.stamp is not None:
        anchors.append(round(record.stamp.redis * 1_000_000))
    near = any(abs(generation - anchor) <= GENERATION_RANGE_US for anchor in anchors)
    return near and generation >= record.generation


class Findings:
    """The damage found in one organization's keys, the last few; safe on any thread."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: tuple[Damage, ...] = ()

    def add(self, found: Iterable[Damage]) -> None:
        """Note what was found."""
        with _lock:
            self._found = (*self._found, *found)[-_MOST:]

    def take(self) -> tuple[Damage, ...]:
        """Return what was found since the last call."""
        if not self._found:
            return ()
        with _lock:
            found, self._found = self._found, ()
        return found
