"""Faults: what can go wrong with a call, and which call it happens to."""

import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum

from broker.emulator.edge import Encoding
from broker.emulator.stats import Kind

TOO_MANY_REQUESTS = 429
SERVICE_UNAVAILABLE = 503


class Calls(StrEnum):
    """Which of Canvas's two calls a fault is meant for."""

    AUTHENTICATE = "authenticate"
    REFRESH = "refresh"
    BOTH = "both"


class Hold(StrEnum):
    """Where a call waits until it is released."""

    BEFORE = "before"
    """Before the work is done."""
    AFTER = "after"
    """After the work is done, before the answer."""


class Drop(StrEnum):
    """What is lost when the connection is closed without an answer."""

    REQUEST = "request"
    """The work is not done."""
    ANSWER = "answer"
    """The work is done."""


class Body(StrEnum):
    """What is wrong with the body of an answer."""

    HTML = "html"
    """A page for people."""
    EMPTY = "empty"
    """Nothing."""
    TRUNCATED = "truncated"
    """The connection ends in the middle of the promised length."""
    HALF = "half"
    """Half the JSON as a whole HTTP answer."""
    OVERSIZE = "oversize"
    """The right JSON with a mebibyte of padding in it."""
    WRONG_TYPES = "wrong_types"
    """Each field is there and none is a string."""
    NO_ACCESS_TOKEN = "no_access_token"  # noqa: S105 - the name of a fault
    """Nothing behind the prefix; the refresh token is good."""


class Expiry(StrEnum):
    """What is wrong with an expiry."""

    MISSING = "missing"
    NULL = "null"
    NO_OFFSET = "no_offset"
    """An instant that says not where on earth it is."""
    PAST = "past"


class Absence(StrEnum):
    """How the refresh token is not there."""

    MISSING = "missing"
    NULL = "null"
    EMPTY = "empty"


class RetryAfter(StrEnum):
    """How ``Retry-After`` is written."""

    SECONDS = "seconds"
    DATE = "date"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens to a call; durations in seconds. The default is: nothing."""

    calls: Calls = Calls.BOTH
    organization: str | None = None
    latency: float = 0.0
    hold: Hold | None = None
    drop: Drop | None = None
    status: int | None = None
    retry_after: int | None = None
    retry_after_as: RetryAfter = RetryAfter.SECONDS
    work: bool | None = None
    body: Body | None = None
    expiry: Expiry | None = None
    refresh_token: Absence | None = None
    refresh_expiry: Expiry | None = None
    prefix: bool = True
    interim: int | None = None
    encoding: Encoding | None = None
    headers: int = 0
    drip: float = 0.0

    @property
    def does_work(self) -> bool:
        """Whether Canvas does what it was asked before things go wrong."""
        if self.drop is not None:
            return self.drop is Drop.ANSWER
        return self.status is None if self.work is None else self.work

    @property
    def definite(self) -> bool:
        """Whether the answer says that nothing was done: 429, or 503 with ``Retry-After``."""
        if self.drop is not None:
            return False
        throttled = self.status == SERVICE_UNAVAILABLE and self.retry_after is not None
        return throttled or self.status == TOO_MANY_REQUESTS

    def fits(self, kind: Kind, organization: str) -> bool:
        """Tell whether it is meant for such a call."""
        return self.calls in (Calls.BOTH, kind) and self.organization in (None, organization)

    def shown(self) -> dict[str, object]:
        """Return the knobs that differ from nothing, and which calls are meant."""
        nothing = asdict(NO_FAULT)
        differing = {name: value for name, value in asdict(self).items() if value != nothing[name]}
        return {"calls": self.calls} | differing


NO_FAULT = Fault()


@dataclass(slots=True)
class _Queued:
    fault: Fault
    times: int | None


class Faults:
    """The faults that wait for their calls. Safe to use from several threads.

    Counted faults go before those that stay; the oldest counted one goes first, and the newest
    of those that stay stands for all of them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: list[_Queued] = []

    def add(self, fault: Fault, times: int | None) -> None:
        """Let ``fault`` happen to the next ``times`` calls it fits, or with None to all."""
        with self._lock:
            self._queue.append(_Queued(fault, times))

    def take(self, kind: Kind, organization: str) -> Fault:
        """Return what happens to this call."""
        with self._lock:
            queued = next(self._fitting(kind, organization), None)
            if queued is None:
                return NO_FAULT
            if queued.times is not None:
                queued.times -= 1
            self._queue = [one for one in self._queue if one.times != 0]
            return queued.fault

    def drop_holds(self) -> None:
        """Take out the faults that would hold further calls."""
        with self._lock:
            self._queue = [one for one in self._queue if one.fault.hold is None]

    def clear(self) -> None:
        """Take out all faults."""
        with self._lock:
            self._queue = []

    def shown(self) -> list[dict[str, object]]:
        """Return what waits, in the order in which it was added."""
        with self._lock:
            return [one.fault.shown() | {"times": one.times} for one in self._queue]

    def _fitting(self, kind: Kind, organization: str) -> Iterator[_Queued]:
        fitting = [one for one in self._queue if one.fault.fits(kind, organization)]
        yield from (one for one in fitting if one.times is not None)
        yield from (one for one in reversed(fitting) if one.times is None)
