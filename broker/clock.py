"""Time as the broker sees it: durations on the monotonic clock, sleeping that tests replace."""

import time
from typing import Protocol

_MONOTONIC = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock(Protocol):
    """The only way the policy and the adapters learn the time or let it pass."""

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start; only differences mean anything."""
        ...

    def wall(self) -> float:
        """Return Unix seconds by the host's clock; for reports and service-account tokens only."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        ...


class SystemClock:
    """The clocks of this host.

    The monotonic one goes on while the host is suspended, where the system offers such a clock: a
    token dies in the meantime, too.
    """

    def monotonic(self) -> float:
        """Return the host's monotonic seconds."""
        return time.clock_gettime(_MONOTONIC)

    def wall(self) -> float:
        """Return the host's Unix seconds."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Block this thread for ``seconds``."""
        time.sleep(seconds)
