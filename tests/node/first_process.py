"""The node's first process, in namespaces of its own; when it ends, all of the node has ended.

``python -m tests.node.first_process FOLDER BINARIES`` makes the namespaces habitable, starts the
control plane and what runs pods, and then only takes in processes that have lost their parent.
"""

import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from tests.cluster.binaries import Binaries
from tests.cluster.control_plane import ControlPlane
from tests.cluster.processes import Process
from tests.node import configuration
from tests.node.host import SET_BY_KUBELET
from tests.node.place import ADDRESS, CONTAINERD, NAME, Place

START_LIMIT = 60.0
BRIDGE = "node0"


def main() -> None:
    """Be the node."""
    place = Place(Path(sys.argv[1]), Path(sys.argv[2]))
    os.environ["PATH"] = f"{place.binaries}:/usr/sbin:/usr/bin:/sbin:/bin"
    furnish(place)
    with ExitStack() as running:
        start(place, running)
        place.is_up.touch()
        take_in()


def furnish(place: Place) -> None:
    """Give the node folders, a name, an interface and a resolver of its own."""
    socket.sethostname(NAME)
    run("mount", "--make-rshared", "/")
    run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for name in ("lib", "log"):
        bind(place.folder / f"var-{name}", Path(f"/var/{name}"))
    resolver = place.folder / "resolv.conf"
    resolver.write_text(f"nameserver {ADDRESS}\n")
    run("mount", "--bind", str(resolver), "/etc/resolv.conf")
    for name in SET_BY_KUBELET:
        shadow(place.folder / "sysctl", Path("/proc/sys") / name)
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", BRIDGE, "type", "bridge")
    run("ip", "address", "add", f"{ADDRESS}/24", "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")
    run("ip", "route", "add", "default", "dev", BRIDGE)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def bind(folder: Path, over: Path) -> None:
    """Put a folder of the node's over one of the host's."""
    folder.mkdir()
    run("mount", "--bind", str(folder), str(over))


def shadow(folder: Path, setting: Path) -> None:
    """Put a file with the same content over a setting of the host's kernel."""
    folder.mkdir(exist_ok=True)
    copy = folder / setting.name
    copy.write_text(setting.read_text())
    run("mount", "--bind", str(copy), str(setting))


def start(place: Place, running: ExitStack) -> None:
    """Start every program, in the order in which they need each other."""
    plane = ControlPlane(Binaries.find(place.binaries), place.cluster, ADDRESS)
    _, proxy = plane.user("system:kube-proxy", "system:nodes")
    _, scheduler = plane.user("system:kube-scheduler", "")
    _, kubelet = plane.user(f"system:node:{NAME}", "system:nodes")
    configuration.write(place, proxy)
    folder = place.folder

    def begin(*command: str) -> Process:
        return Process(command, place.logs / f"{Path(command[0]).name}.log")

    containerd = begin("containerd", f"--config={folder / 'containerd.toml'}")
    containerd.wait_until(Path(CONTAINERD).exists, START_LIMIT)
    running.enter_context(plane)
    names = Process(
        [sys.executable, "-m", "tests.node.names", str(plane.kubeconfig)], place.logs / "names.log"
    )
    names.wait_until(names_are_served, START_LIMIT)
    begin("kube-scheduler", f"--kubeconfig={scheduler}", "--leader-elect=false")
    begin("kube-proxy", f"--config={folder / 'proxy.yaml'}", f"--hostname-override={NAME}")
    begin(
        "kubelet",
        f"--config={folder / 'kubelet.yaml'}",
        f"--kubeconfig={kubelet}",
        f"--hostname-override={NAME}",
        f"--node-ip={ADDRESS}",
        "--v=2",
    )


def names_are_served() -> bool:
    """Tell whether the resolver listens."""
    try:
        socket.create_connection((ADDRESS, 53), timeout=1).close()
    except OSError:
        return False
    return True


def take_in() -> None:
    """Wait for whatever ends, for ever: the first process inherits all orphans."""
    while True:
        try:
            os.wait()
        except ChildProcessError:
            time.sleep(1)


def run(*command: str) -> None:
    """Run a command that must succeed."""
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
