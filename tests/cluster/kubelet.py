"""A pod's container as a process of this machine: what a kubelet would give it, in a folder.

Volumes are written out from what the cluster holds, tokens are asked of the API server, and each
mount path in the environment and the arguments is replaced by its place in the folder. Nothing is
isolated, no image is pulled: what is tried is that the chart's files and settings fit the broker.
"""

from itertools import count
from pathlib import Path
from typing import Any

from tests.cluster.api import Api
from tests.cluster.sources import Sources

DATA = "..data"


class Mounted:
    """The volumes of a pod in a folder, and the environment of its first container."""

    def __init__(self, api: Api, pod: Any, folder: Path) -> None:
        self._sources = Sources(api, pod)
        self._pod = pod
        self._container = pod["spec"]["containers"][0]
        self._folder = folder
        self._versions = count()
        mounts = self._container.get("volumeMounts", [])
        self._places = {m["mountPath"]: folder / m["name"] / m.get("subPath", "") for m in mounts}
        self.mount()

    def mount(self) -> None:
        """Write all volumes out; later again: by a swap of links, as a kubelet does."""
        version = next(self._versions)
        for volume in self._pod["spec"].get("volumes", []):
            folder = self._folder / volume["name"]
            folder.mkdir(parents=True, exist_ok=True)
            if found := self._sources.files(volume):
                publish(found, folder, f"..{version}")

    def environ(self) -> dict[str, str]:
        """Return the environment, with the folder's paths."""
        return {one["name"]: self._value(one) for one in self._container.get("env", [])}

    def command(self) -> list[str]:
        """Return the command, where it is not the image's."""
        return [str(one) for one in self._container.get("command", [])]

    def arguments(self) -> list[str]:
        """Return the arguments, with the folder's paths."""
        return [self.placed(one) for one in self._container.get("args", [])]

    def probes(self) -> dict[str, str]:
        """Return the path that each of the container's probes asks for."""
        found = {name: one for name, one in self._container.items() if name.endswith("Probe")}
        return {name: one["httpGet"]["path"] for name, one in found.items()}

    def _value(self, variable: Any) -> str:
        if "valueFrom" in variable:
            return self._sources.value(variable["valueFrom"])
        return self.placed(variable.get("value", ""))

    def placed(self, text: str) -> str:
        """Return a text with the mount path that it begins with replaced by its place."""
        for path in sorted(self._places, key=len, reverse=True):
            if text == path or text.startswith(f"{path}/"):
                return str(self._places[path]) + text[len(path) :]
        return text


def publish(files: dict[str, bytes], folder: Path, version: str) -> None:
    """Put files into a folder at one stroke, in place of those that were there."""
    for name, content in files.items():
        file = folder / version / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    new = folder / "..new"
    new.symlink_to(version)
    new.rename(folder / DATA)
    for name in {Path(name).parts[0] for name in files}:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"{DATA}/{name}")
