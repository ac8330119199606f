"""Where requests wait: so many at once, and nobody's requests take the places of all others.

A share is a part of what the others leave free, rounded up:

=================================  ==============
an organization                    half of it
a caller, for one organization     a third
a caller, for all organizations    three quarters
=================================  ==============

A caller's share for one organization is less than the organization's, so that its other callers
find places, too; its share for all is more, so that itself finds some for the next organization.
"""

import threading
from collections import Counter
from typing import NamedTuple

ORGANIZATION, CALLER_FOR_ONE, CALLER = 1.0, 0.5, 3.0
"""Who takes one more place holds less than so many times what is free by then.

That ends at a half, a third and three quarters of what is free without its own.
"""


class Waiter(NamedTuple):
    """Who waits, by the caller's name, and until which monotonic instant.

    ``last_look`` is the one after which the request asks Redis nothing more.
    """

    caller: str
    until: float
    last_look: float


class Places:
    """How many requests may wait at once, how many do, and whose they are."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0
        self._held: Counter[tuple[str | None, str | None]] = Counter()
        self._lock = threading.Lock()

    def take(self, organization: str, caller: str) -> bool:
        """Take a place; False if there is none, or their share is used up."""
        with self._lock:
            free, held = self.limit - self.taken, self._held
            may = (
                held[organization, None] < ORGANIZATION * free
                and held[organization, caller] < CALLER_FOR_ONE * free
                and held[None, caller] < CALLER * free
            )
            if may:
                self._count(organization, caller, 1)
        return may

    def give_back(self, organization: str, caller: str) -> None:
        """Leave a place."""
        with self._lock:
            self._count(organization, caller, -1)

    def _count(self, organization: str, caller: str, change: int) -> None:
        self.taken += change
        for one in ((organization, None), (organization, caller), (None, caller)):
            self._held[one] += change
            if not self._held[one]:
                del self._held[one]
