"""The image that ``image/build`` made, unpacked by buildah, so that tests can look into it."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from broker import __version__

ROOT = Path(__file__).parents[2]
NAME = f"localhost/canvas-token-broker:{__version__}"
LIMIT = 280.0
NEEDED = ("buildah", "runc")


@dataclass(frozen=True)
class Image:
    """``root`` is its file system, ``about`` what its configuration says.

    ``files`` are the paths of all files as a container sees them, links as they are, taken before
    any container has run: runc leaves mount points behind.
    """

    root: Path
    about: dict[str, Any]
    files: tuple[Path, ...]

    @property
    def config(self) -> dict[str, Any]:
        """How a container of it is started."""
        config: dict[str, Any] = self.about["config"]
        return config

    @property
    def environ(self) -> dict[str, str]:
        """The environment that it sets."""
        return dict(entry.split("=", 1) for entry in self.config["Env"])

    @property
    def packages(self) -> Path:
        """Where the broker and its dependencies are."""
        return next(self.root.glob("opt/broker/lib/python3*/site-packages"))


def run(*command: str | Path, **environ: str) -> str:
    """Run a command that must succeed, in an environment if given; return what it prints."""
    done = subprocess.run(
        command, env=environ or None, capture_output=True, text=True, timeout=LIMIT, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout.strip()


@contextmanager
def unpacked() -> Iterator[Image]:
    """Unpack the image for as long as the block runs; skip, or in CI fail, where there is none."""
    missing = [tool for tool in NEEDED if shutil.which(tool) is None]
    _demand(not missing, f"no {' and no '.join(missing)} here")
    _demand(os.geteuid() == 0, "only root can unpack an image and run it in this way")
    _demand(
        run("buildah", "images", "--quiet", "--filter", f"reference={NAME}") != "",
        f"there is no {NAME}; .ci/image builds it",
    )
    container = run("buildah", "from", "--pull-never", NAME)
    try:
        root = Path(run("buildah", "mount", container))
        image = Image(root, about(NAME), tuple(_files(root)))
        _demand(_is_of_this_code(image), f"{NAME} is of other code; .ci/image builds it anew")
        yield image
    finally:
        run("buildah", "rm", container)


def _files(root: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(root):
        yield from (Path("/", Path(folder, name).relative_to(root)) for name in names)


def about(name: str) -> dict[str, Any]:
    """Return an image's configuration and history, as the OCI writes them down."""
    described: dict[str, dict[str, Any]] = json.loads(
        run("buildah", "inspect", "--type", "image", name)
    )
    return described["OCIv1"]


def _demand(fulfilled: bool, reason: str) -> None:
    if not fulfilled:
        assert not os.environ.get("CI"), f"CI must have the image: {reason}"
        pytest.skip(reason)


def sources(folder: Path) -> dict[str, bytes]:
    """Return the files below ``folder`` by their names, without what Python compiled."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _is_of_this_code(image: Image) -> bool:
    return sources(image.packages / "broker") == sources(ROOT / "broker")
