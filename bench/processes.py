"""What processes have spent and hold, as the kernel counts it."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_AFTER_NAME = ") "
_USER, _SYSTEM = 11, 12
"""Places in ``/proc/<pid>/stat`` after the name, which may hold anything."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What one process holds, in kilobytes: with what it shares, its part of that, without it."""

    rss: int
    pss: int
    private: int
    threads: int


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return what the processes have spent since their start, user and system."""
    return sum(ticks_of(Path(f"/proc/{pid}/stat").read_text("utf-8")) for pid in pids) / _TICKS


def ticks_of(stat: str) -> int:
    """Return the ticks in a line of ``/proc/<pid>/stat``."""
    fields = stat.rpartition(_AFTER_NAME)[2].split()
    return int(fields[_USER]) + int(fields[_SYSTEM])


def memory(pid: int) -> Memory:
    """Return what a process holds."""
    process = Path(f"/proc/{pid}")
    rollup = kilobytes((process / "smaps_rollup").read_text("utf-8"))
    threads = len(list((process / "task").iterdir()))
    private = rollup["Private_Clean"] + rollup["Private_Dirty"]
    return Memory(rollup["Rss"], rollup["Pss"], private, threads)


def kilobytes(rollup: str) -> dict[str, int]:
    """Return the fields of ``smaps_rollup``, the first line apart."""
    rows = (line.split() for line in rollup.splitlines()[1:])
    return {row[0].rstrip(":"): int(row[1]) for row in rows}
