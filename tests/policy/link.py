"""A worker's connection to the store: counts what goes over it, and breaks as a test says."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

from broker.credentials import Credentials
from broker.errors import StoreUnavailableError
from broker.ports import (
    Answer,
    Commitment,
    Failure,
    Grant,
    Question,
    RecordStore,
    ReportStatus,
    Slot,
    Snapshot,
)
from broker.store_damage import Damage
from broker.store_faults import Reason, StoreFault
from broker.tokens import Record, Spare
from tests.fakes import FakeClock
from tests.memory_store.server import MemoryServer

_T = TypeVar("_T")


WRITES = frozenset(
    {"acquire", "commit", "commit_spare", "fail", "lift", "report", "republish", "note_clock_step"}
)


class Link:
    """Opens record stores of ``server`` for one worker.

    While ``down``, nothing gets through, after ``seconds`` each. An operation named in ``deaf`` is
    done, but its answer is lost; one in ``crashes`` fails in a way that nobody foresaw. ``refuses``
    tells why writes are refused, if they are. ``before`` holds what happens just before an
    operation, once. ``sweeps`` are how many were read at once, ``write_checks`` how often it was
    tried whether writes are taken.
    """

    def __init__(self, server: MemoryServer, clock: FakeClock) -> None:
        self.server = server
        self.clock = clock
        self.down = False
        self.seconds = 0.0
        self.deaf: set[str] = set()
        self.crashes: set[str] = set()
        self.before: dict[str, Callable[[], object]] = {}
        self.counts: Counter[str] = Counter()
        self.sweeps: list[int] = []
        self.write_checks = 0
        self.refuses: Reason | None = None
        self.outage: Reason | None = None

    def open(self, organization: str, credentials: Credentials) -> RecordStore:
        """Return a record store at the end of this connection."""
        return _LinkedStore(self, self.server.open(organization, credentials))

    @property
    def together(self) -> int:
        """How many may be read at once."""
        return self.server.together

    def check_writes(self, stores: Sequence[RecordStore]) -> list[Reason | None]:
        """Return why Redis takes no writes, as the test says."""
        self.write_checks += 1
        self.outage = Reason(StoreFault.CONNECTION) if self.down else None
        return [self.outage or self.refuses for _ in stores]

    def read_each(self, asked: Sequence[Question]) -> list[Answer]:
        """Read several now, each as if it came alone."""
        self.sweeps.append(len(asked))
        return [_read(partial(store.read, known)) for store, known in asked]

    def carry(self, name: str, operation: Callable[[], _T]) -> _T:
        """Carry one operation over the connection."""
        self.counts[name] += 1
        self.before.pop(name, _nothing)()
        if name in self.crashes:
            raise ZeroDivisionError(name)
        self.clock.sleep(self.seconds)
        if self.refuses and name in WRITES:
            raise StoreUnavailableError("refused", self.refuses)
        self.outage = Reason(StoreFault.CONNECTION) if self.down else None
        if self.outage:
            raise StoreUnavailableError("down", self.outage)
        result = operation()
        if name in self.deaf:
            raise StoreUnavailableError("the answer was lost")
        return result


def _nothing() -> None:
    pass


def _read(read: Answer) -> Answer:
    """Return what gives the answer, good or bad, that there is now."""
    future: Future[Snapshot] = Future()
    try:
        future.set_result(read())
    except Exception as error:  # noqa: BLE001  # told to whom it concerns
        future.set_exception(error)
    return future.result


class _LinkedStore:
    def __init__(self, link: Link, store: RecordStore) -> None:
        self._link = link
        self._store = store
        self.name = store.name

    @property
    def outage(self) -> Reason | None:
        return self._link.outage

    def take_damage(self) -> Sequence[Damage]:
        return self._store.take_damage()

    def read(self, known: int) -> Snapshot:
        return self._link.carry("read", lambda: self._store.read(known))

    def acquire(self, attempt: str, expected: int, wish: Slot) -> Grant:
        return self._link.carry("acquire", lambda: self._store.acquire(attempt, expected, wish))

    def commit(
        self, attempt: str, expected: int, record: Record, failure: Failure | None
    ) -> Commitment:
        return self._link.carry(
            "commit", lambda: self._store.commit(attempt, expected, record, failure)
        )

    def commit_spare(self, grant: Grant, spare: Spare, failure: Failure) -> Commitment:
        return self._link.carry(
            "commit_spare", lambda: self._store.commit_spare(grant, spare, failure)
        )

    def fail(self, attempt: str, expected: int, failure: Failure, *, clear_mark: bool) -> None:
        self._link.carry(
            "fail", lambda: self._store.fail(attempt, expected, failure, clear_mark=clear_mark)
        )

    def lift(self, writing: str) -> None:
        self._link.carry("lift", lambda: self._store.lift(writing))

    def report(self, generation: int) -> ReportStatus:
        return self._link.carry("report", lambda: self._store.report(generation))

    def republish(self, record: Record) -> None:
        self._link.carry("republish", lambda: self._store.republish(record))

    def note_clock_step(self) -> None:
        self._link.carry("note_clock_step", self._store.note_clock_step)
