"""The policy's runtime on real threads."""

import random
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

FLIGHTS = 40
"""Flights at once in one worker. A slow upstream holds one for each organization that is due.

It is eight more than are begun for nobody (``broker.policy.flights``): those are for callers.
"""
SWEEPS = 1
"""Sweeps at once in one worker."""
_MAIN = 1
_FEED = 1


def redis_users(request_threads: int) -> int:
    """Return how many threads of one worker may use Redis at once.

    Those of its requests, of its flights and sweeps, the one that hears of changes, and the one
    that stops it.
    """
    return request_threads + FLIGHTS + SWEEPS + _FEED + _MAIN


def redis_connections(request_threads: int) -> int:
    """Return how many connections to one server of Redis a worker opens at most.

    One for each thread that uses it, and one for the layout of a cluster.
    """
    return redis_users(request_threads) + 1


class ThreadRuntime:
    """Implements :class:`broker.ports.Runtime`; make it after the fork."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(FLIGHTS, thread_name_prefix="flight")
        self._sweeper = ThreadPoolExecutor(SWEEPS, thread_name_prefix="sweep")
        self._random = random.Random()  # noqa: S311  # jitter, not a secret

    def spawn(self, work: Callable[[], None]) -> None:
        """Run ``work`` on a thread of the pool, in the context of the present request, if any."""
        self._pool.submit(copy_context().run, work)

    def spawn_sweep(self, work: Callable[[], None]) -> None:
        """Run ``work`` on a thread of its own, however many flights there are."""
        self._sweeper.submit(work)

    def signal(self) -> threading.Event:
        """Return a new event."""
        return threading.Event()

    def random(self) -> float:
        """Return a number drawn evenly from 0 to 1."""
        return self._random.random()

    def attempt_id(self) -> str:
        """Return a random UUID."""
        return uuid.uuid4().hex

    def close(self) -> None:
        """Take no more work; what runs goes on."""
        for pool in (self._pool, self._sweeper):
            pool.shutdown(wait=False, cancel_futures=True)
