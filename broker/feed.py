"""What the fleet tells of changes in the store, and who listens. Nobody relies on hearing it."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from broker.store_faults import Reason


class Change(NamedTuple):
    """Which record changed, by organization and :attr:`broker.ports.RecordStore.name`.

    ``generation`` is that of a new record; 0 where something else changed.
    """

    organization: str
    name: str
    generation: int


class Listener(Protocol):
    """Who hears of changes; must neither block nor raise."""

    def connected(self) -> None:
        """Note that from now on changes are told; those before may have been missed."""

    def heard(self, changes: Sequence[Change]) -> None:
        """Take changes, or with none the sign that there were none."""

    def lost(self, reason: Reason) -> None:
        """Note that changes are not told, or not any more."""
