"""Where requests wait: so many at once, and no more."""

import threading


class Places:
    """How many requests may wait at once, and how many do."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.taken = 0
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take a place; False if there is none."""
        with self._lock:
            free = self.taken < self.limit
            self.taken += free
        return free

    def give_back(self) -> None:
        """Leave a place."""
        with self._lock:
            self.taken -= 1
