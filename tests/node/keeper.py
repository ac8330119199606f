"""Holds the node: the one process to end.

``python -m tests.node.keeper FOLDER BINARIES`` starts the node's first process in namespaces of its
own and waits for it. When either ends, the kernel ends everything in those namespaces, and mounts,
addresses and processes are gone with them; the control groups are removed here.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.node import cgroups
from tests.node.place import Place

NAMESPACES = ("--mount", "--net", "--pid", "--uts", "--ipc")
CHILD_LIMIT = 10.0


def main() -> None:
    """Hold the node until it ends or SIGTERM comes."""
    place = Place(Path(sys.argv[1]), Path(sys.argv[2]))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    cgroups.make()
    place.state.write_text(str(os.getpid()))
    first = ["-m", "tests.node.first_process", str(place.folder), str(place.binaries)]
    options = ["--fork", "--mount-proc", "--kill-child"]
    node = subprocess.Popen(["unshare", *NAMESPACES, *options, sys.executable, *first])
    try:
        place.first_process.write_text(str(only_child(node.pid)))
        node.wait()
    finally:
        node.kill()
        node.wait()
        cgroups.remove()
        place.first_process.unlink(missing_ok=True)
        place.state.unlink()


def only_child(pid: int) -> int:
    """Return the child that a process has, or will have in a moment."""
    until = time.monotonic() + CHILD_LIMIT
    while time.monotonic() < until:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if children:
            return int(children[0])
        time.sleep(0.05)
    sys.exit("unshare started nothing")


if __name__ == "__main__":
    main()
