"""The numbers of the refresh protocol, and the check that they fit each other."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

LATCH_STEPS = (30.0, 120.0, 300.0)
"""Seconds until the next probe after the first refusals of the keys; then ``Limits.latch``.

A refusal may be a passing one, so the first probes come soon. All in all Canvas refuses at most
five calls in the first 15 minutes (the first attempt may be a refresh, confirmed by one
``Authenticate``), and one in each ``latch`` later.
"""
EARLY_REFUSALS = len(LATCH_STEPS) + 2
"""Refusals until which each new writing of the credentials lifts the latch.

The first attempt, a probe after each first step, and one after a lift: six refused calls.
After them one writing counts in each ``Limits.latch``.
"""
ONE_WRITING = 90.0
"""Seconds within which all hosts see one writing: kubelets bring a Secret within a minute or so."""

BACKOFF_MEMORY = 600.0
"""Seconds after a pause until which failures and refusals count as being in a row."""

CALL_BURST, TOKEN_BURST = 20, 10
"""Calls of Canvas, and new tokens from it, that one process may have at once (:class:`Rate`)."""
_BELOW_HALF = 0.48
_T = TypeVar("_T", int, float)


def _limit(default: _T, meaning: str) -> _T:
    """Declare a limit that has a setting of the same name."""
    return field(default=default, metadata={"meaning": meaning})


class Rate(NamedTuple):
    """At most ``burst`` at once, and one more in each ``interval`` of seconds."""

    burst: int
    interval: float

    def most(self, seconds: float) -> int:
        """Return how many there can be in any span of so many seconds."""
        return self.burst + int(seconds / self.interval)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Durations in seconds, as ``refresh-protocol.md`` ("Numbers that must fit each other").

    :meth:`problems` says which contradict each other.
    """

    upstream_connect_timeout: float = _limit(2.0, "Longest wait for a connection to Canvas")
    upstream_timeout: float = _limit(
        5.0, "Longest whole call to Canvas: name resolution to the last byte of the body"
    )
    upstream_attempts: int = _limit(2, "Calls to Canvas that one lease allows")
    upstream_body_limit: int = _limit(65536, "Longest body read from Canvas, in bytes")
    lease: float = _limit(25.0, "Life of the lease under which one process may talk to Canvas")
    lease_reserve: float = _limit(
        8.0, "Part of the lease that must be left before anything is sent"
    )
    wait: float = _limit(3.0, "Longest that a request waits for a refresh in flight")
    margin_min: float = _limit(
        45.0, "Smallest margin: a token is refreshed at least this long before it expires"
    )
    margin_max: float = _limit(300.0, "Largest margin")
    floor: float = _limit(
        30.0, "At this much remaining life, a request waits for the refresh in flight"
    )
    dead: float = 5.0
    """At this much remaining life, a token is not served any more."""
    short_life: float = 45.0
    """A token that arrives with less life than this counts as a failed call."""
    revalidate: float = _limit(
        1.0, "Longest time that the in-process copy is served without a look at Redis"
    )
    backoff_min: float = _limit(1.0, "Shortest pause after a failed refresh")
    backoff_valid: float = _limit(
        30.0, "Longest pause after a failed refresh while a token is valid"
    )
    backoff_empty: float = _limit(5.0, "Longest pause after a failed refresh while none is valid")
    retry_after_max: float = _limit(300.0, "Longest pause taken over from Canvas's `Retry-After`")
    latch: float = _limit(
        900.0, "Longest time between probes of keys that Canvas refuses; the first come sooner"
    )
    report_min_age: float = _limit(10.0, "Youngest token whose rejection is believed")
    report_interval: float = _limit(
        60.0, "Shortest time between two refreshes caused by reported rejections"
    )
    redis_connect_timeout: float = _limit(
        0.25,
        "Time for a connection to Redis (name, TCP, TLS, login, database), in each of two tries",
    )
    redis_timeout: float = _limit(0.5, "Longest wait for the answer to one command of Redis")
    request: float = 4.5
    """Longest that any request takes, under any fault."""

    @property
    def deadline(self) -> float:
        """Seconds of upstream work that one lease allows (D)."""
        return self.upstream_attempts * self.upstream_timeout

    @property
    def longest_backoff(self) -> float:
        """Seconds that no pause between two attempts exceeds."""
        return max(self.latch, self.retry_after_max, self.backoff_valid, self.backoff_empty)

    def latch_after(self, refusals: int) -> float:
        """Return the seconds to the next probe after so many refusals of the keys, 1 or more."""
        step = LATCH_STEPS[refusals - 1] if refusals <= len(LATCH_STEPS) else self.latch
        return min(step, self.latch)

    @property
    def calls(self) -> Rate:
        """Return how often one process may call Canvas for one organization.

        A little faster than it does through the longest outage: failures lie half of
        ``backoff_empty`` apart on average, and the time that the calls take.
        """
        pause = min(self.backoff_empty, self.backoff_valid)
        interval = min(_BELOW_HALF * pause, self.tokens.interval / self.upstream_attempts)
        return Rate(CALL_BURST, interval)

    @property
    def tokens(self) -> Rate:
        """Return how often it may so get a new token.

        A token that lives for ``short_life`` turns stale after half of that, and reports cause a
        refresh more in each ``report_interval``: in sum a tenth less than this, or lower still.
        """
        return Rate(TOKEN_BURST, min(self.short_life / 3, self.report_interval / 4))

    @property
    def redis_worst(self) -> float:
        """Seconds that a hung Redis can cost one operation, its one retry included."""
        return 2 * (self.redis_connect_timeout + self.redis_timeout)

    @property
    def last_look(self) -> float:
        """Seconds after which a request asks Redis nothing more: it may hang, and cost the rest."""
        return self.request - self.redis_worst

    @property
    def redis_connection_wait(self) -> float:
        """Seconds that an operation may wait for a connection, and still send its command."""
        return self.redis_worst - self.redis_timeout

    def problems(self) -> Iterator[str]:
        """Yield a sentence for each contradiction: the setting, its value and what is allowed."""
        least_lease = 2 * self.deadline + 5
        if self.lease < least_lease:
            yield (
                f"BROKER_LEASE is {self.lease:g} and must be at least {least_lease:g}: twice the "
                "upstream deadline (BROKER_UPSTREAM_ATTEMPTS x BROKER_UPSTREAM_TIMEOUT = "
                f"{self.deadline:g}) plus 5"
            )
        if self.upstream_connect_timeout >= self.upstream_timeout:
            yield (
                f"BROKER_UPSTREAM_CONNECT_TIMEOUT is {self.upstream_connect_timeout:g} and must be "
                f"below BROKER_UPSTREAM_TIMEOUT ({self.upstream_timeout:g})"
            )
        most_reserve = self.lease - self.upstream_timeout
        if not self.upstream_timeout < self.lease_reserve < most_reserve:
            yield (
                f"BROKER_LEASE_RESERVE is {self.lease_reserve:g} and must lie between "
                f"BROKER_UPSTREAM_TIMEOUT ({self.upstream_timeout:g}) and BROKER_LEASE minus it "
                f"({most_reserve:g})"
            )
        most_wait = self.last_look
        if self.wait > most_wait:
            yield (
                f"BROKER_WAIT is {self.wait:g} and must be at most {most_wait:g}: a request ends "
                f"within {self.request:g} s, of which a hung Redis may cost {self.redis_worst:g} "
                "(2 x (BROKER_REDIS_CONNECT_TIMEOUT + BROKER_REDIS_TIMEOUT))"
            )
        if not self.floor < self.margin_min <= self.margin_max:
            yield (
                f"BROKER_MARGIN_MIN is {self.margin_min:g} and must be above BROKER_FLOOR "
                f"({self.floor:g}) and at most BROKER_MARGIN_MAX ({self.margin_max:g})"
            )
        if self.floor <= self.dead:
            yield (
                f"BROKER_FLOOR is {self.floor:g} and must be above {self.dead:g}, the remaining "
                "life at which a token is not served any more"
            )
