"""What callers were given, held against Canvas's own books."""

import threading
from dataclasses import dataclass

from broker.emulator.canvas import Canvas
from tests.integration.deployment import Reply

KNOWN_TO_ALL = 3.0
"""Seconds after its first answer by which every worker has a token."""
ENOUGH_LEFT = 10.0
"""A token with so many seconds left must be served; those about to die are not."""


@dataclass(frozen=True)
class Seen:
    """When a token was first served, and until when it lives; monotonic instants."""

    first: float
    ends: float


class Ledger:
    """Tells of each answer whether it was wrong to give it. Safe to use from several threads."""

    def __init__(self, canvas: Canvas) -> None:
        self._canvas = canvas
        self._seen: dict[str, Seen] = {}
        self._lock = threading.Lock()

    def is_expired(self, reply: Reply) -> bool:
        """Tell whether the reply holds a token that is dead by expiry, by Canvas's clock, now.

        A revoked one is not meant: nobody but Canvas can know. Remembers a living one.
        """
        token = reply.body["access_token"]
        if not self._canvas.whoami(token):
            entry = self._canvas._access.get(token)
            return entry is None or entry.expires <= self._canvas._now()
        with self._lock:
            ends = reply.ended + reply.body["expires_in"]
            self._seen.setdefault(token, Seen(reply.ended, ends))
            self._seen = {t: s for t, s in self._seen.items() if s.ends > reply.ended}
        return False

    def is_refusal(self, reply: Reply) -> bool:
        """Tell whether every worker had a valid token when the reply refused one."""
        with self._lock:
            return any(
                seen.first < reply.began - KNOWN_TO_ALL and seen.ends > reply.ended + ENOUGH_LEFT
                for seen in self._seen.values()
            )
