"""The folder that the workers of a pod share while they run: metrics, and their sockets.

Its master holds a lock on a file in it, which the kernel releases however the master ends. A folder
that was made for a run and whose lock is free was left by one that was killed.
"""

import fcntl
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from broker.errors import SettingsError
from broker.metrics.directory import ROOM, prepare

_MEMORY = Path("/dev/shm")  # noqa: S108  # a private folder is made in it
_PREFIX = "canvas-token-broker-"
_OWNER = "owner"


@dataclass(frozen=True, slots=True)
class RuntimeFolder:
    """Where the workers meet; ``temporary`` says that it was made for this run alone.

    ``owner`` is the descriptor by which the master holds the lock.
    """

    path: Path
    temporary: bool
    owner: int | None = None

    @property
    def sockets(self) -> Path:
        """Where each worker has its socket."""
        return self.path / "workers"

    def release(self) -> None:
        """Let go of the lock, once: in a worker, where the fork has copied it, and at the end."""
        if self.owner is not None:
            os.close(self.owner)

    def remove(self) -> None:
        """Remove what was made for this run, at its end."""
        if self.temporary:
            shutil.rmtree(self.path, ignore_errors=True)
        self.release()


def make_runtime_folder(chosen: Path | None, workers: int) -> RuntimeFolder:
    """Make the folder, empty and for this user alone; to be called once, before the fork.

    Without ``chosen`` it is a new one, in memory where there is room for so many ``workers``; those
    that were left by masters that are gone are removed. Raises
    :class:`~broker.errors.SettingsError`.
    """
    needed = (workers + 1) * ROOM  # the master counts, too
    try:
        path = chosen or _new(needed)
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = RuntimeFolder(path, temporary=chosen is None, owner=_claim(path))
        shutil.rmtree(folder.sockets, ignore_errors=True)
        folder.sockets.mkdir(mode=0o700)
        prepare(path / "metrics")
    except BlockingIOError:
        raise SettingsError(["BROKER_RUNTIME_DIR is in use by another broker"]) from None
    except OSError as error:
        raise SettingsError([f"BROKER_RUNTIME_DIR cannot be used ({error.strerror})"]) from None
    if (free := _free(path)) < needed:
        folder.remove()
        raise SettingsError([_too_small(free, needed, workers)])
    return folder


def _too_small(free: int, needed: int, workers: int) -> str:
    return (
        f"BROKER_RUNTIME_DIR has {free} bytes free and needs {needed} for BROKER_WORKERS="
        f"{workers}; make its file system larger, or name another folder"
    )


def _claim(folder: Path) -> int:
    """Return a descriptor that holds the folder's lock while any process has it open.

    The file appears with the lock held, so that nobody takes a folder that is just being made for
    an abandoned one. Raises ``BlockingIOError`` where another master holds it.
    """
    with suppress(FileNotFoundError):
        return _locked(folder / _OWNER, os.O_RDWR)
    hidden = folder / f"{_OWNER}.{os.getpid()}"
    descriptor = _locked(hidden, os.O_RDWR | os.O_CREAT)
    try:
        (folder / _OWNER).hardlink_to(hidden)  # a rename would replace what another has just made
    except FileExistsError:
        os.close(descriptor)
        raise BlockingIOError from None
    finally:
        hidden.unlink()
    return descriptor


def _locked(file: Path, flags: int) -> int:
    descriptor = os.open(file, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _new(needed: int) -> Path:
    for place in {_MEMORY, Path(tempfile.gettempdir())}:
        for folder in place.glob(f"{_PREFIX}*"):
            _remove_abandoned(folder)
    where = _MEMORY if os.access(_MEMORY, os.W_OK) and _free(_MEMORY) >= needed else None
    return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=where))


def _remove_abandoned(folder: Path) -> None:
    """Remove a folder of this user whose master is gone; one without a lock cannot be judged."""
    with suppress(OSError):
        seen = folder.lstat()
        if stat.S_ISDIR(seen.st_mode) and seen.st_uid == os.geteuid():
            with _held(folder / _OWNER):
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _held(file: Path) -> Iterator[None]:
    descriptor = _locked(file, os.O_RDWR)
    try:
        yield
    finally:
        os.close(descriptor)


def _free(folder: Path) -> int:
    system = os.statvfs(folder)
    # A file system in memory that has no limit says that it has no blocks.
    return system.f_bavail * system.f_frsize if system.f_blocks else sys.maxsize
