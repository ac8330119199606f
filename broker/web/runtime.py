"""The folder that the workers of a pod share while they run: metrics, and their sockets."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from broker.errors import SettingsError
from broker.metrics.directory import prepare

_MEMORY = Path("/dev/shm")  # noqa: S108  # a private folder is made in it
_PREFIX = "canvas-token-broker-"
_ROOM = 4 * 1024 * 1024
"""Bytes that must be free there: a mapped file that finds no room kills its process."""


@dataclass(frozen=True, slots=True)
class RuntimeFolder:
    """Where the workers meet; ``temporary`` says that it was made for this run alone."""

    path: Path
    temporary: bool

    @property
    def sockets(self) -> Path:
        """Where each worker has its socket."""
        return self.path / "workers"

    def remove(self) -> None:
        """Remove what was made for this run."""
        if self.temporary:
            shutil.rmtree(self.path, ignore_errors=True)


def make_runtime_folder(chosen: Path | None) -> RuntimeFolder:
    """Make the folder, empty and for this user alone; to be called once, before the fork.

    Without ``chosen`` it is a new one, in memory where there is such a place. Raises
    :class:`~broker.errors.SettingsError`.
    """
    try:
        folder = RuntimeFolder(chosen or _new(), temporary=chosen is None)
        shutil.rmtree(folder.sockets, ignore_errors=True)
        folder.sockets.mkdir(mode=0o700, parents=True)
        prepare(folder.path / "metrics")
    except OSError as error:
        raise SettingsError([f"BROKER_RUNTIME_DIR cannot be used ({error.strerror})"]) from None
    return folder


def _new() -> Path:
    where = _MEMORY if os.access(_MEMORY, os.W_OK) and _free(_MEMORY) >= _ROOM else None
    return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=where))


def _free(folder: Path) -> int:
    system = os.statvfs(folder)
    return system.f_bavail * system.f_frsize
