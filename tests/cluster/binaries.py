"""The programs that a cluster is made of, as ``.ci/kubernetes`` builds them."""

import os
import shutil
import subprocess
from collections.abc import Iterable
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
        found = locate(NAMES.values(), folder)
        return cls(**{field: found[name] for field, name in NAMES.items()})

    def versions(self) -> dict[str, str]:
        """Return what each program says it is."""
        return {NAMES[one.name]: _version(getattr(self, one.name)) for one in fields(self)}


def locate(names: Iterable[str], folder: Path | None) -> dict[str, str]:
    """Return where each program is: in the folder, else on PATH; raise MissingError naming all."""
    path = os.pathsep.join([*([str(folder)] if folder else []), os.environ.get("PATH", "")])
    places = {name: shutil.which(name, path=path) for name in names}
    found = {name: place for name, place in places.items() if place is not None}
    if missing := [name for name in places if name not in found]:
        raise MissingError(f"not found: {', '.join(missing)}")
    return found


def _version(binary: str) -> str:
    asked = VERSION.get(Path(binary).name, "--version")
    short = ["--template", "{{.Version}}"] if asked == "version" else []
    done = subprocess.run(
        [binary, asked, *short], capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout.splitlines()[0].split()[-1]
