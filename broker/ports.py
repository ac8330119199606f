"""What the policy needs from the outside: Protocols, and the values that cross the border."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias

from broker.credentials import Credentials
from broker.secret import Secret
from broker.store_damage import Damage
from broker.store_faults import Reason
from broker.tokens import Record, Spare, TokenPair


@dataclass(frozen=True, slots=True)
class Backoff:
    """No attempt until ``remaining`` seconds from now; ``latched`` when Canvas refused the keys.

    ``failures`` counts those in a row, ``failure`` is the last one's kind. ``vouched``: no writer
    of Redis made the pause up, nor ever the last three: refusals of the keys in a row, the writing
    of them that was refused first or lifted a latch last, and when it was, by Redis's clock.
    """

    remaining: float
    failures: int
    failure: str
    latched: bool
    refusals: int = 0
    vouched: bool = False
    writing: str = ""
    acted: float = 0.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What Redis holds of one organization and credential version, at Redis time ``now``.

    ``server`` names who answered, if it can; ``written`` is its time when the record was stored.
    ``record`` is there unless ``generation`` is 0, or known to the caller (``unchanged``), or not
    readable; ``spare`` while nobody has presented it. ``presented`` tells of the own refresh token,
    ``foreign`` of another server's record, or from before this one's clock was set, ``refused`` of
    an accepted report. ``backoff.remaining`` may be 0.
    """

    now: float
    generation: int
    record: Record | None = None
    unchanged: bool = False
    foreign: bool = False
    refused: bool = False
    spare: Spare | None = None
    presented: bool = False
    backoff: Backoff | None = None
    lease_remaining: float = 0.0
    server: str = ""
    written: float = 0.0


class GrantStatus(StrEnum):
    """How Redis answered an attempt to take the lease."""

    GRANTED = "granted"
    HELD = "held"
    MOVED = "moved"
    PAUSED = "paused"
    ENDED = "ended"


class Slot(StrEnum):
    """Which refresh token an attempt means to present."""

    OWN = "own"
    SPARE = "spare"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Grant:
    """What acquiring gives: ``attempt`` has marked ``slot`` as presented, which the snapshot holds.

    ``fence`` tells this grant from any other of the attempt.
    """

    status: GrantStatus
    slot: Slot
    snapshot: Snapshot
    attempt: str
    fence: str


@dataclass(frozen=True, slots=True)
class Failure:
    """How an attempt ended badly, ``at`` Redis's time; the rest as in :class:`Backoff`."""

    kind: str
    delay: float
    latched: bool = False
    refusals: int = 0
    writing: str = ""
    acted: float = 0.0
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Commitment:
    """The answer to a commit: its ``generation``, or with ``superseded`` the one that stands."""

    generation: int
    superseded: bool


class ReportStatus(StrEnum):
    """What became of a report that Canvas answered 401; FAILED: the store did not take it."""

    ACCEPTED = "accepted"
    KNOWN = "known"
    MOVED = "moved"
    YOUNG = "young"
    THROTTLED = "throttled"
    FAILED = "failed"


class RecordStore(Protocol):
    """The shared record of one organization and credential version; ``name`` is no secret.

    Each may raise :class:`~broker.errors.StoreUnavailableError`; twice by one attempt is as once.
    """

    name: str

    @property
    def outage(self) -> Reason | None:
        """Why its server is out of reach, as far as anybody's last try told; asks nobody."""

    def take_damage(self) -> Sequence[Damage]:
        """Return what was found unsound and removed since the last call; asks nobody."""

    def read(self, known: int) -> Snapshot:
        """Return the present snapshot, without the record if its generation is ``known``."""

    def acquire(self, attempt: str, expected: int, wish: Slot) -> Grant:
        """Take the lease and mark the wished refresh token as presented, in one step.

        Granted only while the stored generation is ``expected``, no lease lives, no backoff runs.
        A token that is marked, or another server's, is not granted: the slot becomes ``NONE``.
        A server with another one's record may have lost a lease, too: the first to ask there is
        told ``HELD``, for one lease time.
        """

    def commit(
        self, attempt: str, expected: int, record: Record, failure: Failure | None
    ) -> Commitment:
        """Store ``record`` unless a generation above ``expected`` stands; end the lease.

        It becomes max(stored + 1, ``record.provisional``, Redis microseconds). ``failure`` leaves a
        backoff behind. The record is foreign unless ``stamp`` has Redis's time.
        """

    def commit_spare(self, grant: Grant, spare: Spare, failure: Failure) -> Commitment:
        """Keep a refresh token whose access token was unusable; leave a backoff; end the lease.

        Superseded, too, when the lease of this ``grant`` has ended.
        """

    def fail(self, attempt: str, expected: int, failure: Failure, *, clear_mark: bool) -> None:
        """Leave a backoff and end the lease; ``clear_mark`` if the mark is this attempt's own."""

    def lift(self, writing: str) -> None:
        """End a latch in ``Limits.backoff_min``: the credentials were written anew (ADR 36)."""

    def report(self, generation: int) -> ReportStatus:
        """Note that Canvas refused ``generation``, at most once for it and once a minute."""

    def republish(self, record: Record) -> None:
        """Put back what Redis lost, its refresh token as spent; a lease time passes.

        Also where it changed servers; ``stamp`` as in a commit.
        """

    def note_clock_step(self) -> None:
        """Note that Redis's clock was set: all counts as another server's, a lease as lost."""


Question: TypeAlias = tuple[RecordStore, int]
"""Whose snapshot is wanted, and the generation that is known already."""
Answer: TypeAlias = Callable[[], Snapshot]


class RecordStores(Protocol):
    """The record stores of all organizations, on one server."""

    def open(self, organization: str, credentials: Credentials) -> RecordStore:
        """Return the record store of an organization under one version of its credentials."""

    @property
    def together(self) -> int:
        """How many may be read together; 0 where each needs a round trip of its own."""

    def read_each(self, asked: Sequence[Question]) -> list[Answer]:
        """Read several together; each answer is that of :meth:`RecordStore.read`, or its error."""

    def check_writes(self, stores: Sequence[RecordStore]) -> Sequence[Reason | None]:
        """Return for each why Redis refuses its writes, by one write on each server, or None."""


class Upstream(Protocol):
    """Canvas. Each call is one attempt within its own deadline."""

    def authenticate(self, credentials: Credentials) -> TokenPair:
        """Exchange the keys for a token pair; raises :class:`~broker.errors.UpstreamError`."""

    def refresh(self, credentials: Credentials, refresh_token: Secret) -> TokenPair:
        """Redeem a refresh token; raises :class:`~broker.errors.UpstreamError`."""


class Retry(Protocol):
    """Repeats an upstream call inside one lease, by the class of its failure."""

    def __call__(self, call: Callable[[], TokenPair], attempts: int) -> TokenPair:
        """Call up to ``attempts`` times, again after a ``retryable`` error only; raise the last."""


class Signal(Protocol):
    """Something one thread waits for and another sets, once."""

    def set(self) -> None:
        """Let all who wait go on, now and later."""

    def wait(self, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds; tell whether it was set."""


class Runtime(Protocol):
    """How the policy runs things beside each other."""

    def spawn(self, work: Callable[[], None]) -> None:
        """Run ``work`` on another thread, soon."""

    def spawn_sweep(self, work: Callable[[], None]) -> None:
        """Run ``work`` on the thread that is kept for it: no other work takes it."""

    def signal(self) -> Signal:
        """Return a new signal that is not set."""

    def random(self) -> float:
        """Return a number drawn evenly from 0 to 1."""

    def attempt_id(self) -> str:
        """Return a name for an attempt that no other attempt has."""
