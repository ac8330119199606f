"""How many flights that nobody waits for may be under way at once in one process."""

from collections.abc import Collection

from broker.policy.calls import AT_ONCE
from broker.policy.flight import Flight

BRIEF_AT_ONCE = 8
"""Of these, those at once that have taken no longer than :data:`BRIEF`.

Python runs one thread at a time: more looks at once take longer each, and so do requests beside
them, but together they take as long.
"""
BRIEF = 0.05
"""Seconds; a look takes a few thousandths. What takes longer waits for Redis or Canvas."""


def room(flights: Collection[Flight], now: float) -> int:
    """Return how many may be begun beside ``flights``, at the monotonic instant ``now``."""
    if len(flights) >= AT_ONCE:
        return 0
    brief = sum(flight.begun > now - BRIEF for flight in flights)
    return min(AT_ONCE - len(flights), BRIEF_AT_ONCE - brief)
