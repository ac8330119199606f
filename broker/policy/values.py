"""The immutable parts of what a process knows of an organization."""

from dataclasses import dataclass

from broker.credentials import Credentials
from broker.ports import Commitment, Failure, RecordStore
from broker.tokens import Record


@dataclass(frozen=True, slots=True)
class Copy:
    """The in-process copy of a record, minted under one credential version.

    ``expires`` and ``minted`` are instants of this process's monotonic clock.
    """

    record: Record
    version: str
    expires: float
    minted: float

    def remaining(self, now: float) -> float:
        """Return the seconds left to live at the monotonic instant ``now``."""
        return self.expires - now


@dataclass(frozen=True, slots=True)
class Binding:
    """The credentials in force and the record store that belongs to them."""

    credentials: Credentials
    store: RecordStore

    @property
    def version(self) -> str:
        """Return the credential version."""
        return self.credentials.version


@dataclass(frozen=True, slots=True)
class Unlanded:
    """A commit that Redis has not confirmed; repeated until it lands or is superseded."""

    binding: Binding
    attempt: str
    expected: int
    copy: Copy
    failure: Failure | None

    def commit(self) -> Commitment:
        """Try once more; raises :class:`~broker.errors.StoreUnavailableError`."""
        record = self.copy.record
        return self.binding.store.commit(self.attempt, self.expected, record, self.failure)


@dataclass(frozen=True, slots=True)
class Pause:
    """No attempt before the monotonic instant ``until``; otherwise as :class:`Backoff`."""

    until: float
    failures: int
    failure: str
    latched: bool


@dataclass(frozen=True, slots=True)
class Skew:
    """Seconds by which this host's clock was ahead of Canvas's.

    ``host`` was the difference of its wall clock and its monotonic one: it tells of later steps.
    """

    seconds: float
    host: float

    def now(self, host: float) -> float:
        """Return the skew after what this host's clock was set forward or back since."""
        return self.seconds + host - self.host
