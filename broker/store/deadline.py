"""The time that one operation on Redis has, whatever it takes: shared by all its steps."""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import TimeoutError as RedisTimeoutError

_operation = threading.local()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let all that this thread does meanwhile share ``seconds``; an outer deadline still counts."""
    outer: float = getattr(_operation, "deadline", math.inf)
    _operation.deadline = min(outer, time.monotonic() + seconds)
    try:
        yield
    finally:
        _operation.deadline = outer


def left(most: float) -> float:
    """Return the seconds that this thread's operation has left, at most ``most``.

    Raises redis-py's ``TimeoutError`` when there are none.
    """
    deadline: float = getattr(_operation, "deadline", math.inf)
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise RedisTimeoutError("no time left")
    return min(seconds, most)
