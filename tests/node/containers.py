"""The processes of a container, as the node sees them."""

import os
import signal
from pathlib import Path
from typing import Any

from tests.cluster.report import expect
from tests.node.place import CGROUP

BROKER, LISTENER = "broker", "listener"
"""The containers of a pod."""
MEMORY = Path("/sys/fs/cgroup/memory") / CGROUP


def status_of(pod: Any, name: str = BROKER) -> Any:
    """Return the status of one of a pod's containers."""
    (found,) = [one for one in pod["status"]["containerStatuses"] if one["name"] == name]
    return found


def container_id(pod: Any, name: str = BROKER) -> str:
    """Return the id of one of a pod's containers."""
    return str(status_of(pod, name)["containerID"]).partition("://")[2]


def group_of(pod: Any) -> Path:
    """Return the control group of a pod."""
    (found,) = [
        one for one in MEMORY.glob("kubepods/**/pod*") if one.name == f"pod{pod['metadata']['uid']}"
    ]
    return found


def container_group(pod: Any, name: str = BROKER) -> Path:
    """Return the control group of one of its containers."""
    return group_of(pod) / container_id(pod, name)


def processes(pod: Any, name: str = BROKER) -> list[int]:
    """Return the processes of one of its containers, the first one first."""
    listed = (container_group(pod, name) / "cgroup.procs").read_text().split()
    return sorted(int(one) for one in listed)


def workers(pod: Any) -> list[int]:
    """Return those that the broker's first one has started."""
    first, *others = processes(pod)
    return [one for one in others if parent(one) == first]


def sandbox(pod: Any) -> int:
    """Return the process that holds a pod's namespaces."""
    groups = [one for one in group_of(pod).iterdir() if one.is_dir()]
    known = {container_id(pod, one["name"]) for one in pod["status"]["containerStatuses"]}
    others = [one for one in groups if one.name not in known]
    found = [pid for one in others for pid in (one / "cgroup.procs").read_text().split()]
    expect(len(found) == 1, f"{len(found)} processes outside of the containers")
    return int(found[0])


def parent(pid: int) -> int:
    """Return the parent of a process."""
    status = Path(f"/proc/{pid}/stat").read_text()
    return int(status.rpartition(")")[2].split()[1])


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    """Send a process a signal, from outside of its container."""
    os.kill(pid, number)
