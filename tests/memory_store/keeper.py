"""What each operation of the store in memory does with what its server holds."""

from typing import TYPE_CHECKING

from broker.feed import Change
from broker.ports import Failure, GrantStatus, Slot, Snapshot
from broker.store.damage import Findings
from broker.store.vouch import Vouch
from broker.tokens import Record
from tests.memory_store.mending import LOST, mend
from tests.memory_store.shelf import Shelf, name_for
from tests.memory_store.shelf_snapshot import discard_unsealed, discard_unvouched, snapshot_of

if TYPE_CHECKING:
    from tests.memory_store.server import MemoryServer


class Keeper:
    """Keeps the shelf of one organization and credential version, by ``key``, on a server."""

    outage = None

    def __init__(self, server: "MemoryServer", key: tuple[str, str]) -> None:
        self._server = server
        self._key = key
        self.name = key[1]
        self._findings = Findings()

    @property
    def shelf(self) -> Shelf:
        """What the server holds now; for tests to look at."""
        return self._server.shelves.setdefault(self._key, Shelf()).at(self._server.now())

    def _mended(self) -> Shelf:
        """Return what the server holds, without what no broker writes."""
        server = self._server
        shelf = server.shelves.setdefault(self._key, Shelf())
        self._findings.add(mend(shelf, server.name, server.now(), server.limits))
        return shelf

    def _snapshot(self, known: int, attempt: str) -> Snapshot:
        server, shelf = self._server, self.shelf
        if shelf.generation != known or not known:
            self._findings.add(discard_unsealed(shelf))
        self._findings.add(discard_unvouched(shelf, server.name, server.now(), server.limits))
        return snapshot_of(shelf, (known, attempt), server.name, server.now(), server.limits)

    def _refusal(self, attempt: str, expected: int) -> GrantStatus | None:
        shelf, holder = self.shelf, self._holder()
        if holder == attempt:
            return GrantStatus.GRANTED
        traces = {shelf.attempt, shelf.spare_attempt, shelf.presented, shelf.spare_presented}
        if attempt in traces or shelf.backoff_attempt == attempt:
            return GrantStatus.ENDED
        if holder is not None:
            self._adopt_lease()
            return GrantStatus.HELD
        foreign = shelf.is_foreign_to(self._server.name, self._server.now())
        if foreign and shelf.seen != self._server.name:
            shelf.seen = self._server.name
            self._hold(LOST)
            return GrantStatus.HELD
        if shelf.generation != expected:
            return GrantStatus.MOVED
        return GrantStatus.PAUSED if self._backoff_remaining() > 0 else None

    def _burn(self, attempt: str, wish: Slot) -> None:
        shelf = self.shelf
        shelf.mark_foreign(self._server.name, self._server.now())
        if wish is Slot.SPARE and shelf.spare and not shelf.spare_presented:
            shelf.spare_presented = attempt
        if wish is Slot.OWN and shelf.generation and not shelf.presented:
            shelf.presented = attempt

    def _place(self, record: Record, generation: int, attempt: str) -> None:
        shelf = self.shelf
        shelf.forget_record()
        shelf.generation, shelf.attempt, shelf.record = generation, attempt, record
        shelf.written = self._server.now()
        shelf.server = name_for(record, self._server.name, shelf.written)
        shelf.keep_until(record.ends_at, shelf.written)

    def _holder(self) -> str | None:
        lease = self.shelf.lease
        return lease[0] if lease and self._server.now() < self.shelf.lease_until else None

    def _adopt_lease(self) -> None:
        lease = self.shelf.lease
        if lease and lease[1] != self._server.name:
            self._hold(lease[0])

    def _hold(self, holder: str) -> None:
        """Begin the time of a lease, by this server's clock."""
        shelf, now = self.shelf, self._server.now()
        shelf.lease, shelf.lease_written = (holder, self._server.name), now
        shelf.lease_until = now + self._server.limits.lease

    def _end_lease(self, attempt: str) -> None:
        if self._holder() == attempt:
            self.shelf.lease = None

    def _back_off(self, attempt: str, failure: Failure, vouch: Vouch | None = None) -> None:
        self.shelf.back_off(attempt, failure, self._server.name, self._server.now())
        self.shelf.backoff_vouch = vouch

    def _backoff_remaining(self) -> float:
        longest = self._server.limits.longest_backoff
        return self.shelf.backoff_remaining(self._server.name, self._server.now(), longest)

    def _tell(self, generation: int = 0) -> None:
        self._server.publish(Change(*self._key, generation))
