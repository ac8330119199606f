"""The files in which the workers of a pod count, and what remains of those that have ended.

Each worker counts in files of its own, mapped into its memory: prometheus-client writes them, and
what a killed worker wrote stays. The master adds up those of ended workers in one file, so that
workers may come and go. A scrape, in any worker, reads all of them; a lock keeps it from reading an
ended worker's numbers twice, or not at all. Nobody waits long for the lock: the master leaves the
files for the next time, and a scrape gives up.

The folder may be full, now or later. A mapped file has its room before it is mapped: without, the
process would be ended by SIGBUS when it counts. A worker that finds no room counts for itself.
"""

import fcntl
import logging
import os
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

from broker.metrics.numbers import content

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Where prometheus-client reads which directory to write to, each time it opens a file."""
LOCK_WAIT = 1.0
"""Seconds that a scrape waits for the master, which needs milliseconds."""
_PAUSE = 0.01
CAPACITY = 1 << 16
"""Bytes of each file that the library maps: more than it needs for all series there are."""
ROOM = 3 << 16
"""Bytes that a worker's files need, with those of some hundred organizations."""
MAPPED = ("counter", "histogram")
"""The types of metrics that the library counts, by which it names its files."""
_LOCK = "lock"
_TOTAL = "total.db"
_UNFINISHED = "total.new"

Totals = dict[str, float]
"""Numbers by the keys that prometheus-client gives them (JSON: metric, sample, labels, meaning)."""


@dataclass
class _Master:
    """What the master knows, and its workers by the fork.

    ``mapped`` is the library's kind of values in files; ``ended`` are workers still to add up.
    ``room`` tells whether this process has found room for its files.
    """

    directory: Path | None = None
    mapped: Any = None
    ended: set[int] = field(default_factory=set)
    room: bool = True


_master = _Master()
_log = logging.getLogger(__name__)
# The library has no types here.
_choose_values: Any = values.get_value_class
_MmapedDict: Any = MmapedDict


def prepare(directory: Path) -> None:
    """Let this process and those it forks count in files in ``directory``, beginning at 0.

    To be called by the master, once, before any :class:`~broker.metrics.meters.Meters` is made.
    Makes the directory, for this user alone; removes what an earlier master left of such files,
    and nothing else. Raises ``OSError`` where that cannot be done.
    """
    directory = directory.absolute()
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    for left in [*directory.glob("*.db"), directory / _UNFINISHED]:
        left.unlink(missing_ok=True)
    (directory / _LOCK).touch(mode=0o600)
    os.environ[VARIABLE] = str(directory)
    # The library chooses when it is imported, which is before anybody could know the directory.
    _master.mapped = values.ValueClass = _choose_values()
    _master.directory, _master.ended = directory, set()


def reserve() -> None:
    """Make this process's mapped files, with room; without room let it count in memory, and log it.

    To be called in each process, the master included, before anything is counted.
    """
    directory = _master.directory
    if directory is None:
        return
    files = [directory / f"{kind}_{os.getpid()}.db" for kind in MAPPED]
    try:
        for file in files:
            _allocate(file)
    except OSError as error:
        for file in files:
            with suppress(OSError):
                file.unlink()
        values.ValueClass, _master.room = values.MutexValue, False
        _log.error("metrics.no_room", extra={"reason": error.strerror})
    else:
        values.ValueClass, _master.room = _master.mapped, True


def has_room() -> bool:
    """Tell whether the others are told what this process counts."""
    return _master.room


def _allocate(file: Path) -> None:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, CAPACITY)
    finally:
        os.close(descriptor)


def prepared() -> Path | None:
    """Return the directory that this process counts in; None while it counts in memory."""
    return _master.directory


def forget(pid: int) -> None:
    """Add an ended worker's numbers to the total and remove its files; for the master.

    Never waits and never raises: what cannot be done now is done when the next worker ends, and is
    counted until then.
    """
    if _master.directory is None:
        return
    _master.ended.add(pid)
    with suppress(OSError), _locked(_master.directory, fcntl.LOCK_EX):
        gone = {pid for pid in _master.ended if not _lives(pid)}
        _add_up(_master.directory, gone)
        _master.ended -= gone


def totals(directory: Path) -> Totals:
    """Return the sums over all workers, ended ones included.

    Raises ``OSError`` if the master keeps the lock for longer than :data:`LOCK_WAIT` seconds.
    """
    until = time.monotonic() + LOCK_WAIT
    while True:
        try:
            with _locked(directory, fcntl.LOCK_SH):
                return _sum(directory.glob("*.db"))
        except BlockingIOError:
            if time.monotonic() > until:
                raise
            time.sleep(_PAUSE)


@contextmanager
def _locked(directory: Path, how: int) -> Iterator[None]:
    """Hold the lock; raises ``BlockingIOError`` where another process holds it."""
    with (directory / _LOCK).open("rb") as lock:
        fcntl.flock(lock, how | fcntl.LOCK_NB)
        yield


def _lives(pid: int) -> bool:
    """Tell whether another process, maybe a new worker that goes on in its files, has this id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _add_up(directory: Path, ended: Iterable[int]) -> None:
    files = [file for pid in ended for file in directory.glob(f"*_{pid}.db")]
    unfinished = directory / _UNFINISHED
    unfinished.write_bytes(content(_sum([*files, directory / _TOTAL])))
    unfinished.replace(directory / _TOTAL)
    for file in files:
        file.unlink()


def _sum(files: Iterable[Path]) -> Totals:
    sums: Totals = {}
    for file in files:
        for key, value in _read(file):
            sums[key] = sums.get(key, 0.0) + value
    return sums


def _read(file: Path) -> list[tuple[str, float]]:
    """Return a file's numbers; none of one that its worker is just making, or that is no such."""
    try:
        entries = _MmapedDict.read_all_values_from_file(file)
        return [(key, value) for key, value, _, _ in entries]
    except (FileNotFoundError, RuntimeError, UnicodeDecodeError, struct.error):
        return []
