"""The sockets that are held, and for how long."""

import os
from collections.abc import Callable, Sequence

KEPT_S = 5.0
"""Seconds for which sockets are held after the last broker has gone.

Afterwards they are closed: whoever waits is reset, and new callers are refused at once, so that
they try elsewhere.
"""


class HeldSockets:
    """Descriptors of listening sockets, under the name that their broker gives them.

    ``clock`` returns seconds; ``close`` closes a descriptor.
    """

    def __init__(
        self, clock: Callable[[], float], close: Callable[[int], object] = os.close
    ) -> None:
        self._clock = clock
        self._close = close
        self._name = b""
        self._sockets: Sequence[int] = ()
        self._brokers = 0
        self._gone_at = clock()
        self._ending = False

    def join(self) -> None:
        """Take note of a broker that has connected."""
        self._brokers += 1

    def leave(self) -> None:
        """Take note of one whose connection has ended."""
        self._brokers -= 1
        self._gone_at = self._clock()

    def keep(self, name: bytes, sockets: Sequence[int]) -> None:
        """Hold these, in place of those before; not while this process is to end."""
        self.let_go()
        self._name, self._sockets = name, sockets
        if self._ending:
            self.let_go()

    def find(self, name: bytes) -> Sequence[int]:
        """Return what is held under a name; any other broker listens elsewhere, and needs none."""
        if name != self._name:
            self.let_go()
        return self._sockets

    def remaining(self) -> float | None:
        """Return the seconds until they are to be closed; None if that is not to be."""
        if self._brokers or not self._sockets:
            return None
        return max(self._gone_at + KEPT_S - self._clock(), 0.0)

    def expire(self) -> None:
        """Close them if their time is over."""
        if self.remaining() == 0:
            self.let_go()

    def let_go(self) -> None:
        """Close them."""
        for one in self._sockets:
            self._close(one)
        self._sockets = ()

    def end(self) -> None:
        """Hold nothing any more: a broker that is stopped refuses connections when it wants to."""
        self._ending = True
        self.let_go()

    @property
    def has_ended(self) -> bool:
        """Tell whether nobody needs this process any more."""
        return self._ending and not self._brokers
