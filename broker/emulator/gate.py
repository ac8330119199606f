"""Where calls wait: held ones until they are released, slow ones until their time is over."""

import threading
import time
from collections.abc import Callable

LONGEST = 60.0
_LOOK_EVERY = 0.02


class Gate:
    """Lets threads wait, and lets them all go on at once.

    ``longest`` bounds every hold, in seconds. ``look`` is called now and then by those who wait,
    so that a caller that hung up is noticed.
    """

    def __init__(self, longest: float = LONGEST) -> None:
        self._longest = longest
        self._changed = threading.Condition()
        self._era = 0
        self._held = 0
        self._closed = False

    @property
    def era(self) -> int:
        """How often calls were released; take it before looking for a hold."""
        return self._era

    @property
    def held(self) -> int:
        """How many calls wait to be released."""
        return self._held

    def hold(self, era: int, look: Callable[[], None]) -> None:
        """Wait until the next release after ``era`` was taken."""
        with self._changed:
            self._held += 1
            self._changed.notify_all()
            try:
                self._wait(lambda: self._era != era, self._longest, look)
            finally:
                self._held -= 1
                self._changed.notify_all()

    def pause(self, seconds: float, look: Callable[[], None]) -> None:
        """Wait ``seconds``, whatever is released meanwhile."""
        with self._changed:
            self._wait(lambda: False, seconds, look)

    def release(self) -> int:
        """Let all held calls go on; return how many there were."""
        with self._changed:
            self._era += 1
            self._changed.notify_all()
            return self._held

    def close(self) -> None:
        """Let everyone go on, now and for ever."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def wait_held(self, calls: int, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds until ``calls`` calls are held; tell whether they are."""
        with self._changed:
            return self._changed.wait_for(lambda: self._held >= calls, timeout)

    def _wait(self, done: Callable[[], bool], seconds: float, look: Callable[[], None]) -> None:
        end = time.monotonic() + seconds
        while not self._closed and not done():
            left = end - time.monotonic()
            if left <= 0:
                return
            self._changed.wait(min(left, _LOOK_EVERY))
            look()
