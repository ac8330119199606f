"""Somebody who writes to Redis as he likes: any value in any field, old values put back."""

import copy
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from broker.limits import BACKOFF_MEMORY
from broker.ports import Backoff
from tests.memory_store.shelf import Shelf
from tests.simulation.redis import SimRedis
from tests.simulation.scheduler import Process
from tests.store.hostile import ANYTHING, ATTRIBUTES, draw_tamper, mutate

KEPT = 40
"""Old states of each organization's keys that he has to put back."""
PARTS = {
    "record": tuple(
        name for name in ATTRIBUTES if not name.startswith(("lease", "fence", "backoff", "report"))
    ),
    "lease": ("lease", "lease_until", "lease_written", "fence"),
    "backoff": tuple(name for name in ATTRIBUTES if name.startswith("backoff")),
    "report": ("report_until", "report_written"),
}
"""The fields of a shelf by the key in which they lie."""
ANYTHING_AT_ALL = "anything"
WHOLE, EVEN = 0.7, 0.5
_NOTHING = Shelf()


class Writer:
    """Writes from time to time, and reads along so as to have old values at hand.

    ``what`` is ``anything``, or names the one thing that he does; all else the seed decides.
    """

    def __init__(self, redis: SimRedis, what: str) -> None:
        self._redis = redis
        self._chance = redis.scheduler.random
        self._seen: dict[tuple[str, str], deque[Shelf]] = {}
        self._key = ("", "")
        self._acts: list[Callable[[Shelf], None]] = [
            self._any_type,
            self._any_value,
            self._put_back,
            self._renumber,
            self._delete,
            self._delete_all,
            self._hold_lease,
            self._mark_presented,
            self._mark_refused,
            self._hold_report,
            self._hold_back,
        ]
        self._only = [] if what == ANYTHING_AT_ALL else [getattr(self, f"_{what}")]
        self.active = False

    def begin(self, targets: tuple[str, ...], pause: float) -> None:
        """Write to keys of ``targets``, once in each ``pause`` seconds or so, while :attr:`active`.

        Either anything, or the same one or two things again and again.
        """
        self.active = True
        some = self._chance.sample(self._acts, self._chance.choice([1, 2]))
        acts = self._only or self._chance.choice([self._acts, self._acts, some])
        self._redis.watch.note(f"writer: {len(acts)} acts on {targets}, from {acts[0].__name__}")
        work = partial(self._write, targets, pause, acts)
        self._redis.scheduler.spawn(Process("writer"), "writer", work)

    def _write(
        self, targets: tuple[str, ...], pause: float, acts: list[Callable[[Shelf], None]]
    ) -> None:
        shelves = self._redis.server.shelves
        while self.active:
            self._read_along()
            keys = [key for key in shelves if key[0] in targets]
            if keys:
                self._key = self._chance.choice(keys)
                act = self._chance.choice(acts)
                act(shelves[self._key])
                self._redis.watch.inject(f"writer{act.__name__} {self._key[0]}")
            self._redis.scheduler.sleep(pause * 2 * self._chance.random())

    def _read_along(self) -> None:
        for key, shelf in self._redis.server.shelves.items():
            self._seen.setdefault(key, deque(maxlen=KEPT)).append(copy.copy(shelf))

    def _any_type(self, shelf: Shelf) -> None:
        name = self._chance.choice(
            [*ATTRIBUTES, "backoff.failures", "backoff.remaining", "lease.0"]
        )
        self._put(shelf, name, self._chance.choice(ANYTHING))

    def _put(self, shelf: Shelf, name: str, value: Any) -> None:
        """Put a value into a field, or into a part of one that has parts."""
        lease: Any = shelf.lease
        has_parts = {
            "backoff": isinstance(shelf.backoff, Backoff),
            "lease": type(lease) is tuple and len(lease) == len(("attempt", "server")),
        }
        if "." not in name or has_parts[name.partition(".")[0]]:
            mutate(shelf, name, value)

    def _any_value(self, shelf: Shelf) -> None:
        held: list[Any] = [shelf.attempt, shelf.presented]
        names = [self._redis.server.name, "somebody", *(one for one in held if type(one) is str)]
        tamper = draw_tamper(self._chance, self._redis.now(), names)
        self._put(shelf, tamper.name, tamper.value)

    def _put_back(self, shelf: Shelf) -> None:
        """One of the keys, or one field, as it was some time ago."""
        old = self._chance.choice(self._seen[self._key])
        part = self._chance.choice([*PARTS.values()])
        for name in part if self._chance.random() < WHOLE else [self._chance.choice(part)]:
            setattr(shelf, name, getattr(old, name))

    def _renumber(self, shelf: Shelf) -> None:
        """Put an old record back under a new number, as if it were the newest."""
        old, now = self._chance.choice(self._seen[self._key]), self._redis.now()
        for name in PARTS["record"]:
            setattr(shelf, name, getattr(old, name))
        shelf.generation = round(now * 1e6) + self._chance.choice([0, 1, 10**9, 8 * 10**10])
        shelf.written, shelf.server = now, self._redis.server.name
        shelf.presented = self._chance.choice(["", "somebody"])

    def _delete(self, shelf: Shelf) -> None:
        """Remove one of the keys."""
        for name in self._chance.choice([*PARTS.values()]):
            setattr(shelf, name, getattr(_NOTHING, name))

    def _delete_all(self, shelf: Shelf) -> None:
        del shelf
        self._redis.server.shelves.clear()

    def _hold_lease(self, shelf: Shelf) -> None:
        limits, server = self._redis.server.limits, self._redis.server.name
        shelf.lease, shelf.lease_until = ("somebody", server), self._redis.now() + limits.lease

    def _mark_presented(self, shelf: Shelf) -> None:
        shelf.presented = "somebody"

    def _mark_refused(self, shelf: Shelf) -> None:
        shelf.refused = True

    def _hold_report(self, shelf: Shelf) -> None:
        shelf.report_until = self._redis.now() + self._redis.server.limits.report_interval

    def _hold_back(self, shelf: Shelf) -> None:
        """Leave a pause or a latch that no process left."""
        now, seconds = self._redis.now(), self._chance.choice([1.0, 30.0, 300.0, 900.0])
        refusals, latched = self._chance.choice([0, 1, 5, 999_999]), self._chance.random() < EVEN
        shelf.backoff = Backoff(seconds, refusals + 1, "timeout", latched, refusals)
        shelf.backoff_attempt, shelf.backoff_server = "somebody", self._redis.server.name
        shelf.backoff_written, shelf.backoff_until = now, now + seconds
        shelf.backoff_ends = now + seconds + BACKOFF_MEMORY
