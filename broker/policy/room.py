"""Flights that nobody waits for: what they want, and how many may be under way in a process."""

from collections.abc import Collection

from broker.policy.calls import AT_ONCE
from broker.policy.flight import Flight
from broker.policy.values import Copy

BRIEF_AT_ONCE = 8
"""Of these, those at once that have taken no longer than :data:`BRIEF`.

Python runs one thread at a time: more looks at once take longer each, and so do requests beside
them, but together they take as long.
"""
BRIEF = 0.05
"""Seconds; a look takes a few thousandths. What takes longer waits for Redis or Canvas."""


def nothing_more(copy: Copy | None) -> bool:
    """Want no better copy, unless one is due."""
    del copy
    return False


def room(flights: Collection[Flight], now: float) -> int:
    """Return how many may be begun beside ``flights``, at the monotonic instant ``now``."""
    if len(flights) >= AT_ONCE:
        return 0
    brief = sum(flight.begun > now - BRIEF for flight in flights)
    return min(AT_ONCE - len(flights), BRIEF_AT_ONCE - brief)
