"""What a process can do for callers, found without looking at all organizations each time."""

import threading
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from broker.policy.answers import hindrance_of
from broker.policy.organization import Organization
from broker.tokens import State

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_LOOKED_AT = 512
"""Organizations that one answer looks at: half a millisecond of processor time."""


class Ability(NamedTuple):
    """What a process can do for callers.

    ``written``: Redis has taken a write of it. ``serving``: it has a valid token of any
    organization, or has written and nothing hinders getting one.
    """

    written: bool
    serving: bool


class ServingSearch:
    """Tells whether any organization can be served; safe on any thread.

    The one that could be served last is looked at first. Without it all are looked at in turn, at
    most :data:`MOST_LOOKED_AT` a call, and the answer changes once all have been.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._organizations: Mapping[str, Organization] = {}
        self._rest: Iterator[Organization] = iter(())
        self._found: Organization | None = None
        self._serving = False

    def ability(
        self, organizations: Mapping[str, Organization], now: float, *, written: bool
    ) -> Ability:
        """Return what a process with these can do at the monotonic instant ``now``.

        ``organizations`` never changes: what is configured anew is another mapping.
        """
        with self._lock:
            found = self._found
            present = found is not None and organizations.get(found.name) is found
            if found is None or not present or not _is_served(found, now, written=written):
                self._search(organizations, now, written=written)
            return Ability(written, self._serving)

    def _search(
        self, organizations: Mapping[str, Organization], now: float, *, written: bool
    ) -> None:
        if self._found is not None or organizations is not self._organizations:
            self._organizations, self._rest = organizations, iter(organizations.values())
        looked_at = list(islice(self._rest, MOST_LOOKED_AT))
        served = (one for one in looked_at if _is_served(one, now, written=written))
        self._found = next(served, None)
        if self._found is not None:
            self._serving = True
        elif len(looked_at) < MOST_LOOKED_AT:
            self._serving, self._rest = False, iter(organizations.values())


def _is_served(organization: Organization, now: float, *, written: bool) -> bool:
    if organization.state(now) is not State.EMPTY:
        return True
    return written and hindrance_of(organization) is None
