"""Where everything of the node lies: one folder on the disk, one address, one name."""

from dataclasses import dataclass
from pathlib import Path

NAME = "node1"
ADDRESS = "10.99.0.1"
PODS = "10.88.0.0/16"
CGROUP = "node-e2e"
CONTAINERD = "/run/containerd/containerd.sock"


@dataclass(frozen=True)
class Place:
    """The folder of a node, and that of the programs it is made of."""

    folder: Path
    binaries: Path

    @property
    def logs(self) -> Path:
        """Return the folder of the programs' logs."""
        return self.folder / "logs"

    @property
    def state(self) -> Path:
        """Return the file that tells the process to end, for as long as the node is up."""
        return self.folder / "keeper.pid"

    @property
    def first_process(self) -> Path:
        """Return the file that tells the node's first process, as seen from outside."""
        return self.folder / "node.pid"

    @property
    def is_up(self) -> Path:
        """Return the file that is there once the node's programs are started."""
        return self.folder / "up"

    @property
    def cluster(self) -> Path:
        """Return the folder of the control plane's certificates, users and logs."""
        return self.folder / "cluster"

    @property
    def images(self) -> Path:
        """Return the folder of the images' archives."""
        return self.binaries / "images"

    @property
    def kubeconfig(self) -> Path:
        """Return how an administrator reaches the API server."""
        return self.cluster / "administrator.kubeconfig"
