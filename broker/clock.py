"""Time as the broker sees it: durations on the monotonic clock, sleeping that tests replace."""

import time
from typing import Protocol


class Clock(Protocol):
    """The only way the policy and the adapters learn the time or let it pass."""

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start; only differences mean anything."""
        ...

    def wall(self) -> float:
        """Return Unix seconds by the host's clock; fit for reports, never for decisions."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        ...


class SystemClock:
    """The clocks of this host."""

    def monotonic(self) -> float:
        """Return the host's monotonic seconds."""
        return time.monotonic()

    def wall(self) -> float:
        """Return the host's Unix seconds."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Block this thread for ``seconds``."""
        time.sleep(seconds)
