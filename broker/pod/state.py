"""What the master and the workers of a pod tell each other, in memory that all of them share.

The master makes it before the first fork and gives each worker a slot, which only that worker
writes to while it lives; when it has ended, the master empties the slot. So what a killed worker
said counts no longer than its death takes to be seen.
"""

import mmap
from collections.abc import Collection
from enum import IntFlag

_BOOTED, _READY, _DRAINING, _SLOTS = 0, 1, 2, 8


class Told(IntFlag):
    """What a worker says of itself: Redis has taken a write of it; it can serve callers."""

    WRITTEN = 1
    SERVING = 2


class PodState:
    """One byte for each thing that is told, so that no reader sees half of it.

    ``workers`` is how many there are to be. A process that is no worker of gunicorn has the first
    slot.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._shared = mmap.mmap(-1, mmap.PAGESIZE)
        self._own = _SLOTS

    def reserve(self, taken: Collection[int]) -> int:
        """Return an empty slot for a new worker, none of the ``taken``; in the master."""
        slot = next(one for one in range(_SLOTS, mmap.PAGESIZE) if one not in taken)
        self.empty(slot)
        return slot

    def empty(self, slot: int) -> None:
        """Forget what the worker that had this slot has said; in the master."""
        self._shared[slot] = 0

    def take(self, slot: int) -> None:
        """Speak by this slot from now on; in the worker."""
        self._own = slot

    @property
    def booted(self) -> bool:
        """Tell whether a worker has ever served."""
        return bool(self._shared[_BOOTED])

    def note_boot(self) -> None:
        """Say that a worker serves."""
        self._shared[_BOOTED] = 1

    @property
    def draining(self) -> bool:
        """Tell whether the pod is about to stop, so that connections are not to be kept."""
        return bool(self._shared[_DRAINING])

    def begin_drain(self) -> None:
        """Say that the pod is about to stop; in the master."""
        self._shared[_DRAINING] = 1

    def tell(self, told: Told) -> None:
        """Say this of the own worker; once all workers have written, the pod has been ready."""
        self._shared[self._own] = told
        if sum(bool(one & Told.WRITTEN) for one in self._slots()) >= self._workers:
            self._shared[_READY] = 1

    @property
    def has_been_ready(self) -> bool:
        """Tell whether all workers had written at one time; what comes later changes nothing."""
        return bool(self._shared[_READY])

    def serves(self) -> bool:
        """Tell whether any worker can serve."""
        return any(one & Told.SERVING for one in self._slots())

    def _slots(self) -> bytes:
        return self._shared[_SLOTS : mmap.PAGESIZE].rstrip(b"\0")
