"""The parts of what a process knows of an organization; all but one flag are immutable."""

from dataclasses import dataclass, field, replace

from broker.clock import Clock
from broker.credentials import Credentials
from broker.policy.lease_watch import LeaseWatch
from broker.ports import Commitment, Failure, RecordStore, Signal
from broker.tokens import Record, Stamp


@dataclass(frozen=True, slots=True)
class Copy:
    """The in-process copy of a record, minted under one credential version.

    ``expires`` and ``minted`` are instants of this process's monotonic clock. ``certain`` says that
    ``expires`` rests on evidence; else it may be too early, and another token is due from
    ``doubted_until`` on.
    """

    record: Record
    version: str
    expires: float
    minted: float
    certain: bool = True
    doubted_until: float = float("-inf")

    def in_doubt(self, now: float) -> float:
        """Return the seconds for which nobody acts on a doubtful end, be it over already.

        By then all have looked at this server: one new record is certain to each of them.
        """
        return 0.0 if self.certain else max(0.0, self.doubted_until - now)

    def remaining(self, now: float) -> float:
        """Return the seconds left to live at the monotonic instant ``now``."""
        return self.expires - now

    def stamped(self, clock: Clock) -> Record:
        """Return the record with Redis's time, as its own times imply it, and the host's."""
        now = self.record.expires_at - self.remaining(clock.monotonic())
        return replace(self.record, stamp=Stamp(now, clock.wall()))


@dataclass(slots=True, eq=False)
class Binding:
    """The credentials in force and the record store that belongs to them.

    ``is_news`` until a latch was looked for, for this writing of the credentials may lift it.
    ``changed`` is set when another process tells of a change of the record, for who waits for it.
    """

    credentials: Credentials
    store: RecordStore
    is_news: bool = field(init=False)
    lease_watch: LeaseWatch = field(init=False, default_factory=LeaseWatch)
    changed: Signal | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.is_news = bool(self.credentials.writing)

    @property
    def version(self) -> str:
        """Return the credential version."""
        return self.credentials.version

    def holds(self, credentials: Credentials) -> bool:
        """Tell whether they are the same, and were not written anew."""
        ours = self.credentials
        return (ours.version, ours.writing) == (credentials.version, credentials.writing)


@dataclass(frozen=True, slots=True)
class Unlanded:
    """A commit that Redis has not confirmed; repeated until it lands or is superseded."""

    binding: Binding
    attempt: str
    expected: int
    copy: Copy
    failure: Failure | None

    def commit(self, clock: Clock) -> Commitment:
        """Try once more; raises :class:`~broker.errors.StoreUnavailableError`."""
        record = self.copy.stamped(clock)
        return self.binding.store.commit(self.attempt, self.expected, record, self.failure)


@dataclass(frozen=True, slots=True)
class Skew:
    """Seconds by which this host's clock was ahead of Canvas's at the monotonic instant ``at``.

    ``host`` was the difference of its wall clock and its monotonic one: it tells of later steps.
    """

    seconds: float
    host: float
    at: float

    def now(self, host: float) -> float:
        """Return the skew after what this host's clock was set forward or back since."""
        return self.seconds + host - self.host
