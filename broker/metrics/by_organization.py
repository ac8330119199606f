"""A counter with series for each organization: of thousands, so without an object for each."""

import os
import threading
import weakref
from pathlib import Path
from typing import Any

from prometheus_client.mmap_dict import MmapedDict, mmap_key

from broker.metrics.catalogue import Type
from broker.metrics.series import Words, declared

# The library has no types here.
_MmapedDict: Any = MmapedDict
_key_of: Any = mmap_key


class OrganizationCounter:
    """The series of one declared counter, in the format of prometheus-client's files.

    The library keeps objects of a kilobyte for each series, so as to count millions of times a
    second. These are counted once in some minutes each, and each is a key and its place in the
    file, which is made with the first. With no ``directory`` they are kept in memory alone. Safe
    on any thread; make one in a process, after the fork.

    Raises :class:`~broker.metrics.series.UndeclaredMetricError`, as :class:`Words` does.
    """

    def __init__(self, name: str, directory: Path | None, *, strict: bool) -> None:
        self.metric = declared(name, Type.COUNTER)
        self._words = Words(self.metric, strict=strict)
        self._lock = threading.Lock()
        self._path = directory and directory / f"{name}_{os.getpid()}.db"
        self._file: Any = None
        self.totals: dict[str, float] = {}

    def count(self, *values: str) -> None:
        """Count one more with these label values."""
        name, labels = self.metric.name, self.metric.labels
        key = _key_of(name.removesuffix("_total"), name, labels, self._words.known(values), "")
        with self._lock:
            if self._path is None:
                self.totals[key] = self.totals.get(key, 0.0) + 1.0
                return
            if self._file is None:
                self._file = _MmapedDict(str(self._path))
                # Not at the exit: other threads may still count then.
                weakref.finalize(self, self._file.close).atexit = False
            number, _ = self._file.read_value(key)
            self._file.write_value(key, number + 1.0, 0.0)
