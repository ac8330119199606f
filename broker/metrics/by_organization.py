"""A counter with series for each organization: of thousands, so without an object for each."""

import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from prometheus_client.mmap_dict import mmap_key

from broker.metrics.catalogue import Type
from broker.metrics.numbers import NumbersFile
from broker.metrics.series import Words, declared

_key_of: Any = mmap_key  # the library has no types here


class OrganizationCounter:
    """The series of one declared counter, in the format of prometheus-client's files.

    The library keeps objects of a kilobyte for each series, so as to count millions of times a
    second. These are counted once in some minutes each, and each is a key and its place in the
    file, which is made with the first. With no ``directory`` they are kept in memory alone, and so
    is what the file has no room for, until it has. Safe on any thread; make one in a process, after
    the fork.

    Raises :class:`~broker.metrics.series.UndeclaredMetricError`, as :class:`Words` does.
    """

    def __init__(self, name: str, directory: Path | None, *, strict: bool) -> None:
        self.metric = declared(name, Type.COUNTER)
        self._words = Words(self.metric, strict=strict)
        self._lock = threading.Lock()
        self._file = NumbersFile(directory / f"{name}_{os.getpid()}.db") if directory else None
        self.totals: dict[str, float] = {}

    def count(self, *values: str) -> None:
        """Count one more with these label values."""
        name, labels = self.metric.name, self.metric.labels
        key = _key_of(name.removesuffix("_total"), name, labels, self._words.known(values), "")
        with self._lock:
            self.totals[key] = self.totals.get(key, 0.0) + 1.0
            if self._file is not None:
                with suppress(OSError):
                    self._write_all(self._file)

    def _write_all(self, file: NumbersFile) -> None:
        for key in list(self.totals):
            file.add(key, self.totals[key])
            del self.totals[key]
