from pathlib import Path

from tests.node.cgroups import hierarchies

MOUNTS = """\
proc /proc proc rw 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0
tmpfs /sys/fs/cgroup tmpfs rw 0 0
"""


def test_hierarchies_of_both_versions_are_found() -> None:
    """Where they are mounted, and nothing else."""
    assert hierarchies(MOUNTS) == [Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup/unified")]
