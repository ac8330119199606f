"""``broker`` from the image under runc, held as tightly as Kubernetes can hold it.

The only thing it shares with the host is the network: loopback, where emulator and Redis are.
"""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any
from uuid import uuid4

from broker.emulator.server import EmulatorServer
from tests.image.built import Image
from tests.integration.deployment import BrokerProcess, Deployment

PLACE = "/etc/broker"
GRACE = 25
LIMIT = 60.0
MEMORY = {"type": "tmpfs", "source": "tmpfs"}
NOTHING = ["nosuid", "nodev", "noexec"]
CAPABILITIES = ("bounding", "effective", "inheritable", "permitted", "ambient")
NAMESPACES = ("pid", "mount", "ipc", "uts")


def bundle(
    folder: Path,
    image: Image,
    arguments: list[str],
    environ: dict[str, str],
    *,
    mounted: dict[str, Path] | None = None,
    shared_memory: str = "",
) -> Path:
    """Write down, for runc, a container that may do nothing but write to a memory ``/tmp``.

    ``mounted`` are files and folders of the host that it may read; ``shared_memory`` is the size of
    its ``/dev/shm``, which it otherwise lacks.
    """
    mounts: list[dict[str, Any]] = [
        {"destination": "/proc", "type": "proc", "source": "proc", "options": NOTHING},
        {**MEMORY, "destination": "/dev", "options": ["nosuid", "mode=755", "size=64k"]},
        {**MEMORY, "destination": "/tmp", "options": [*NOTHING, "mode=1777", "size=16m"]},
    ]
    if shared_memory:
        options = [*NOTHING, "mode=1777", f"size={shared_memory}"]
        mounts.append({**MEMORY, "destination": "/dev/shm", "options": options})
    for place, source in (mounted or {}).items():
        options = ["rbind", "ro", *NOTHING]
        mounts.append({"destination": place, "source": str(source), "options": options})
    process = {
        "args": [*image.config["Entrypoint"], *arguments],
        "env": [f"{name}={value}" for name, value in {**image.environ, **environ}.items()],
        "cwd": "/",
        "user": dict(zip(("uid", "gid"), map(int, image.config["User"].split(":")), strict=True)),
        "capabilities": {kind: [] for kind in CAPABILITIES},
        "noNewPrivileges": True,
    }
    spec = {
        "ociVersion": "1.0.2",
        "process": process,
        "root": {"path": str(image.root), "readonly": True},
        "mounts": mounts,
        "linux": {"namespaces": [{"type": kind} for kind in NAMESPACES]},
    }
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(spec))
    return folder


def runc(bundled: Path) -> list[str]:
    """Return the command that runs a bundle, in a folder of runc's that is nobody else's."""
    where = ["--bundle", str(bundled), "--pid-file", str(bundled / "pid")]
    return ["runc", "--root", str(bundled / "state"), "run", *where, f"broker-{uuid4()}"]


def ran(bundled: Path) -> "subprocess.CompletedProcess[str]":
    """Run a bundle to its end."""
    return subprocess.run(runc(bundled), capture_output=True, text=True, timeout=LIMIT, check=False)


class Container(BrokerProcess):
    """``broker serve`` in a container; its processes are children of runc's."""

    def __init__(self, folder: Path, image: Image, environ: dict[str, str], **more: Any) -> None:
        super().__init__({}, folder / "container.log")
        environ = {**environ, "BROKER_BIND": f"127.0.0.1:{self.port}"}
        self._bundle = bundle(folder / "bundle", image, image.config["Cmd"], environ, **more)
        self.command = tuple(runc(self._bundle))

    @property
    def master(self) -> int:
        """The process on this host that is process 1 in the container."""
        return int((self._bundle / "pid").read_text())

    def kill(self) -> None:
        """End what is left of it."""
        if self._process is not None and self._process.poll() is None:
            os.kill(self.master, signal.SIGKILL)
            self._process.wait(10)
        self._process = None


def deploy(
    image: Image, emulator: EmulatorServer, redis_url: str, folder: Path, **more: Any
) -> Deployment:
    """Return a deployment of one container; credentials and callers are mounted read-only."""
    deployment = Deployment(folder, emulator, redis_url, brokers=0)
    environ = {
        "BROKER_REDIS_URL": redis_url,
        "BROKER_REDIS_PREFIX": f"image-{uuid4()}",
        "BROKER_CANVAS_URL": emulator.url,
        "BROKER_CREDENTIALS_DIR": f"{PLACE}/credentials",
        "BROKER_CALLERS_FILE": f"{PLACE}/callers.toml",
        "BROKER_GRACEFUL_TIMEOUT": str(GRACE),
    }
    mounted = {f"{PLACE}/{path.name}": path for path in folder.iterdir()}
    deployment.brokers = [Container(folder, image, environ, mounted=mounted, **more)]
    return deployment
