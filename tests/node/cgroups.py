"""The control groups of the node's pods: made before it starts, removed after it has ended."""

import time
from collections.abc import Iterator
from pathlib import Path

from tests.node.place import CGROUP

MOUNTS = Path("/proc/mounts")
PATIENCE = 10.0
INHERITED = ("cpuset.cpus", "cpuset.mems")


def hierarchies(mounts: str) -> list[Path]:
    """Return where control groups are mounted, from the text of ``/proc/mounts``."""
    rows = [line.split() for line in mounts.splitlines()]
    return [Path(row[1]) for row in rows if row[2] in {"cgroup", "cgroup2"}]


def make() -> None:
    """Make the group that the kubelet puts its own below, in every hierarchy."""
    for top in hierarchies(MOUNTS.read_text()):
        group = top / CGROUP
        group.mkdir(exist_ok=True)
        for name in INHERITED:
            if (top / name).exists():
                (group / name).write_text((top / name).read_text())


def remove() -> None:
    """Remove it with all below; processes that are just ending are waited for."""
    until = time.monotonic() + PATIENCE
    for top in hierarchies(MOUNTS.read_text()):
        for group in _deepest_first(top / CGROUP):
            _remove(group, until)


def _remove(group: Path, until: float) -> None:
    while True:
        try:
            return group.rmdir()
        except FileNotFoundError:
            return None
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def _deepest_first(group: Path) -> Iterator[Path]:
    if group.is_dir():
        for one in sorted(group.iterdir()):
            if one.is_dir():
                yield from _deepest_first(one)
        yield group
