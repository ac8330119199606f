"""The workers of this pod, each of which answers the others at the moment they want to know."""

import contextlib
import os
import re
from collections.abc import Callable
from pathlib import Path

from broker.clock import Clock
from broker.pod.answering import Listener
from broker.pod.asking import ask
from broker.pod.merge import merge
from broker.pod.shared import Shared
from broker.pod.snapshot import Pod, WorkerSnapshot
from broker.pod.wire import UnreadableSnapshotError, from_bytes, to_bytes

PATIENCE = 0.3
"""Seconds for all siblings together to answer."""
_SOCKET = re.compile(r"([1-9][0-9]{0,8})\.sock")


class Siblings:
    """This worker and the others, ``expected`` in all; make and start it after the fork.

    ``directory`` holds a socket for each living worker, ``<pid>.sock``; it must belong to this user
    alone. Without one, or where no socket can be made in it, this worker knows only itself.
    """

    def __init__(
        self,
        directory: Path | None,
        expected: int,
        snapshot: Callable[[], WorkerSnapshot],
        clock: Clock,
    ) -> None:
        self._directory = directory
        self._expected = expected
        self._snapshot = snapshot
        self._shared = Shared(self._gather, clock)
        self._listener: Listener | None = None

    def start(self) -> None:
        """Answer the siblings from now on; returns at once."""
        if self._directory is None:
            return
        listener = Listener(self._directory / f"{os.getpid()}.sock", self._answer)
        with contextlib.suppress(OSError):
            listener.start()
            self._listener = listener

    def stop(self) -> None:
        """Answer no more, and leave no socket."""
        if self._listener is not None:
            self._listener.stop()
            self._listener = None

    def gather(self) -> Pod:
        """Return the pod as it is now, or was up to a quarter of a second ago.

        Waits at most :data:`PATIENCE` for the siblings, however many ask at once.
        """
        return self._shared.get()

    def _answer(self) -> bytes:
        return to_bytes(self._snapshot())

    def _gather(self) -> Pod:
        paths = self._others()
        heard = ask(paths, PATIENCE)
        workers, silent = [self._snapshot()], [paths[path] for path in heard.silent]
        for path, data in heard.answers.items():
            snapshot = _read(data, paths[path])
            if snapshot is None:
                silent.append(paths[path])
            else:
                workers.append(snapshot)
        silent += [paths[path] for path in heard.refused if not _was_left_by_the_dead(path)]
        return merge(workers, silent, self._expected)

    def _others(self) -> dict[Path, int]:
        """Return the sockets of the other workers with their process ids."""
        found: dict[Path, int] = {}
        if self._listener is not None and self._directory is not None:
            with contextlib.suppress(OSError):
                for path in self._directory.iterdir():
                    named = _SOCKET.fullmatch(path.name)
                    if named and int(named[1]) != os.getpid():
                        found[path] = int(named[1])
        return found


def _read(data: bytes, pid: int) -> WorkerSnapshot | None:
    """Return the snapshot, unless it is none or another worker's."""
    with contextlib.suppress(UnreadableSnapshotError):
        snapshot = from_bytes(data)
        return snapshot if snapshot.pid == pid else None
    return None


def _was_left_by_the_dead(path: Path) -> bool:
    """Remove a socket that nobody listens at if its worker is gone; tell whether it is."""
    try:
        os.kill(int(path.stem), 0)
    except (ProcessLookupError, PermissionError):  # or the number is another user's now
        with contextlib.suppress(OSError):
            path.unlink()
        return True
    return False
