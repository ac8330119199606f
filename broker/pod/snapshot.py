"""What one worker knows, as a value that its siblings can read."""

from dataclasses import dataclass

from broker.limits import Limits
from broker.policy.health import OrganizationHealth
from broker.policy.history import Event


@dataclass(frozen=True, slots=True)
class FilesReport:
    """The state of one kind of files, such as ``credentials``.

    ``problems`` tells why the version that lies there is not in force, or not all of it;
    ``taken_at`` is the Unix time at which a version was last taken over.
    """

    what: str
    problems: tuple[str, ...]
    taken_at: float


@dataclass(frozen=True, slots=True)
class WorkerSnapshot:
    """One worker at one moment; ``uptime`` in seconds, ``waiting`` of at most ``places``.

    ``redis_set_up`` is what a connection to Redis took lately, at best, and ``redis_wait`` how long
    an operation waits for one, in seconds. ``counted`` is false where ``/metrics`` lacks what this
    worker counts, for want of room. ``feed`` says whether it hears what others change in Redis.
    """

    pid: int
    uptime: float
    organizations: tuple[OrganizationHealth, ...]
    files: tuple[FilesReport, ...]
    waiting: int
    places: int
    redis_set_up: float | None = None
    redis_wait: float = Limits().redis_connection_wait
    counted: bool = True
    feed: bool = True


@dataclass(frozen=True, slots=True)
class OrganizationHistory:
    """What happened last to an organization in one worker, newest first."""

    organization: str
    recent: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class WorkerHistories:
    """The histories of some organizations in one worker."""

    pid: int
    organizations: tuple[OrganizationHistory, ...]


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Pod:
    """All workers at one moment; ``silent`` are the process ids of those that did not answer.

    ``organizations`` and ``files`` are merged: each once, as the pod as a whole has it.
    """

    workers: tuple[WorkerSnapshot, ...]
    silent: tuple[int, ...]
    expected: int
    organizations: tuple[OrganizationHealth, ...]
    files: tuple[FilesReport, ...]
