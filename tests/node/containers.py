"""The processes of a container, as the node sees them."""

import os
import signal
from pathlib import Path
from typing import Any

from tests.cluster.report import expect
from tests.node.place import CGROUP

MEMORY = Path("/sys/fs/cgroup/memory") / CGROUP


def container_id(pod: Any) -> str:
    """Return the id of a pod's first container."""
    return str(pod["status"]["containerStatuses"][0]["containerID"]).partition("://")[2]


def group_of(pod: Any) -> Path:
    """Return the control group of a pod."""
    (found,) = [
        one for one in MEMORY.glob("kubepods/**/pod*") if one.name == f"pod{pod['metadata']['uid']}"
    ]
    return found


def container_group(pod: Any) -> Path:
    """Return the control group of its first container."""
    return group_of(pod) / container_id(pod)


def processes(pod: Any) -> list[int]:
    """Return the processes of its first container, the first one first."""
    listed = (container_group(pod) / "cgroup.procs").read_text().split()
    return sorted(int(one) for one in listed)


def workers(pod: Any) -> list[int]:
    """Return those that the first one has started."""
    first, *others = processes(pod)
    return [one for one in others if parent(one) == first]


def sandbox(pod: Any) -> int:
    """Return the process that holds a pod's namespaces."""
    groups = [one for one in group_of(pod).iterdir() if one.is_dir()]
    others = [one for one in groups if one.name != container_id(pod)]
    found = [pid for one in others for pid in (one / "cgroup.procs").read_text().split()]
    expect(len(found) == 1, f"{len(found)} processes outside of the container")
    return int(found[0])


def parent(pid: int) -> int:
    """Return the parent of a process."""
    status = Path(f"/proc/{pid}/stat").read_text()
    return int(status.rpartition(")")[2].split()[1])


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    """Send a process a signal, from outside of its container."""
    os.kill(pid, number)
