"""What the kubelet does for one container: volumes in a folder, and the environment.

Secrets that the chart does not make are made up by whoever knows what each file is for.
"""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from broker.settings import Settings
from tests.chart.engine import Values
from tests.chart.rendered import Object, Rendered

MakeUp = Callable[[str], bytes]
"""From the path of a file in the container to its content."""

WHOLE = ("tls.crt", "tls.key", "ca.crt")
"""The keys of a Secret that is mounted without naming any."""

NODE = {"status.podIP": "10.1.2.3", "metadata.namespace": "tokens"}
"""What a pod learns about itself; of the rest only that it is there."""


Start = Callable[[Values], tuple["Kubelet", dict[str, str]]]
"""Lays the broker's container out; the fixture ``kubelet``."""

Read = Callable[[Values], Settings]
"""Reads the settings that the broker would have; the fixture ``settings``."""


@dataclass(frozen=True)
class Kubelet:
    """Serves one container of one pod, under a folder that stands for its root."""

    root: Path
    rendered: Rendered
    make_up: MakeUp

    def start(self, spec: Object, container: Object) -> dict[str, str]:
        """Lay out the volumes that a container mounts; return its environment."""
        volumes = {one["name"]: one for one in spec.get("volumes", ())}
        mounts = container.get("volumeMounts", ())
        assert len({one["mountPath"] for one in mounts}) == len(mounts)
        for mount in mounts:
            assert "subPath" not in mount, "a subPath never sees a change"
            self._mount(volumes[mount["name"]], mount["mountPath"])
        here = self.relocation([one["mountPath"] for one in mounts])
        return {one["name"]: here(self._value(one)) for one in container.get("env", ())}

    def relocation(self, paths: list[str]) -> Callable[[str], str]:
        """Return what puts the folder before each of these paths in a text."""
        longest = sorted(paths, key=len, reverse=True)
        pattern = re.compile(rf"(?<![\w/.-])({'|'.join(map(re.escape, longest))})(?=[/&]|$)")
        return lambda text: pattern.sub(lambda found: f"{self.root}{found[1]}", text)

    def at(self, path: str) -> Path:
        """Return where a path of the container lies."""
        return self.root / path.lstrip("/")

    def _value(self, variable: Object) -> str:
        if "value" in variable:
            value: str = variable["value"]
            assert isinstance(value, str), f"{variable['name']} is no text"
            return value
        (kind, source), *_ = variable["valueFrom"].items()
        if kind == "fieldRef":
            return NODE.get(source["fieldPath"], "somewhere")
        found = self._known(kind.removesuffix("KeyRef"), source["name"]).get(source["key"])
        return (found or b"made-up").decode()

    def _mount(self, volume: Object, path: str) -> None:
        (kind,) = volume.keys() - {"name"}
        folder = self.at(path)
        folder.mkdir(parents=True)
        if kind in {"emptyDir", "persistentVolumeClaim"}:
            return
        sources = volume[kind]["sources"] if kind == "projected" else [{kind: volume[kind]}]
        files: dict[str, bytes] = {}
        for source in sources:
            for name, content in self._files(path, *next(iter(source.items()))).items():
                assert name not in files, f"{path}/{name} comes from two sources"
                files[name] = content
        self._write(folder, files)

    def _files(self, path: str, kind: str, source: Object) -> Mapping[str, bytes]:
        if kind == "serviceAccountToken":
            return {source["path"]: self.make_up(f"{path}/{source['path']}")}
        name = source.get("secretName") or source["name"]
        known = self._known(kind, name)
        items = source.get("items") or [{"key": one, "path": one} for one in known or WHOLE]
        assert not known or {one["key"] for one in items} <= known.keys(), f"{name} lacks a key"
        return {
            one["path"]: known.get(one["key"]) or self.make_up(f"{path}/{one['path']}")
            for one in items
        }

    def _known(self, kind: str, name: str) -> dict[str, bytes]:
        """Return the data of an object that the chart makes itself."""
        for one in self.rendered.of({"secret": "Secret", "configMap": "ConfigMap"}[kind]):
            if one["metadata"]["name"] == name:
                encoded: dict[str, Any] = one.get("data", {}) if kind == "secret" else {}
                plain = one.get("stringData" if kind == "secret" else "data", {})
                return {key: text.encode() for key, text in plain.items()} | {
                    key: base64.b64decode(text, validate=True) for key, text in encoded.items()
                }
        return {}

    def _write(self, folder: Path, files: Mapping[str, bytes]) -> None:
        """Write them as one version, which a link points to: so a change is seen whole."""
        for name, content in files.items():
            file = folder / "..2026_01_01" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        (folder / "..data").symlink_to("..2026_01_01")
        for top in {PurePosixPath(name).parts[0] for name in files}:
            (folder / top).symlink_to(f"..data/{top}")
