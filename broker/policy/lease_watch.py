"""For how long others have held the lease while nothing came of it."""


class LeaseWatch:
    """What this process has met when it asked for the lease of one record."""

    __slots__ = ("_known", "_seen", "_since")

    def __init__(self) -> None:
        self._known: tuple[int, int] | None = None
        self._since = self._seen = 0.0

    def held(self, known: tuple[int, int], now: float, life: float) -> float:
        """Note that somebody else holds it; return for how many seconds that has been so.

        ``known`` are the generation and the failures in a row: had anything come of it, they would
        be others. Who has not asked for a lease's ``life`` does not know, and begins anew.
        """
        if known != self._known or now - self._seen > life:
            self._since = now
        self._known, self._seen = known, now
        return now - self._since

    def free(self) -> None:
        """Note that nobody else holds it."""
        self._known = None
