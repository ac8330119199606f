"""The programs that a cluster is made of, as ``.ci/kubernetes`` builds them."""

import os
import shutil
import subprocess
from dataclasses import dataclass, fields
from pathlib import Path

NAMES = {
    "etcd": "etcd",
    "api_server": "kube-apiserver",
    "controller_manager": "kube-controller-manager",
    "helm": "helm",
}
VERSION = {"etcd": "--version", "helm": "version"}


class MissingError(Exception):
    """A program is neither in the folder nor on PATH."""


@dataclass(frozen=True)
class Binaries:
    """Where each program is."""

    etcd: str
    api_server: str
    controller_manager: str
    helm: str

    @classmethod
    def find(cls, folder: Path | None) -> "Binaries":
        """Look in the folder, then on PATH; raise MissingError naming all that are not there."""
        path = os.pathsep.join([*([str(folder)] if folder else []), os.environ.get("PATH", "")])
        found = {field: shutil.which(name, path=path) for field, name in NAMES.items()}
        missing = [NAMES[field] for field, where in found.items() if where is None]
        if missing:
            raise MissingError(f"not found: {', '.join(missing)}")
        return cls(**{field: where for field, where in found.items() if where is not None})

    def versions(self) -> dict[str, str]:
        """Return what each program says it is."""
        return {NAMES[one.name]: _version(getattr(self, one.name)) for one in fields(self)}


def _version(binary: str) -> str:
    asked = VERSION.get(Path(binary).name, "--version")
    short = ["--template", "{{.Version}}"] if asked == "version" else []
    done = subprocess.run(
        [binary, asked, *short], capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout.splitlines()[0].split()[-1]
