"""The workers of this pod, each of which answers the others at the moment they want to know."""

import contextlib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from broker.clock import Clock
from broker.pod.answering import Listener
from broker.pod.asking import Heard, ask
from broker.pod.events import join
from broker.pod.merge import merge
from broker.pod.shared import Shared
from broker.pod.snapshot import Pod, WorkerHistories, WorkerSnapshot
from broker.pod.wire import T, UnreadableSnapshotError, from_bytes, names_in, to_bytes
from broker.policy.history import Event

PATIENCE = 0.3
"""Seconds for all siblings together to answer."""
PATIENCE_OF_ONE = 0.000_1
"""Seconds more for each organization that they are asked for; a busy one needs a tenth of it."""
_SOCKET = re.compile(r"([1-9][0-9]{0,8})\.sock")


class Siblings:
    """This worker and the others, ``expected`` in all; make and start it after the fork.

    ``directory`` holds a socket for each living worker, ``<pid>.sock``; it must belong to this user
    alone. Without one, or where no socket can be made in it, this worker knows only itself.
    ``snapshot`` and ``histories`` tell what this one knows, of all or of the organizations named.
    """

    def __init__(
        self,
        directory: Path | None,
        expected: int,
        snapshot: Callable[[], WorkerSnapshot],
        histories: Callable[[Sequence[str]], WorkerHistories],
        clock: Clock,
    ) -> None:
        self._directory = directory
        self._expected = expected
        self._snapshot = snapshot
        self._histories = histories
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

        Waits at most :data:`PATIENCE` and :data:`PATIENCE_OF_ONE` for the siblings, however many
        ask at once.
        """
        return self._shared.get()

    def forget(self) -> None:
        """Forget what was gathered and is not given again; to be called now and then."""
        self._shared.forget()

    def histories(self, names: Sequence[str]) -> dict[str, tuple[Event, ...]]:
        """Return what happened last in the pod to the organizations of these names.

        Waits as :meth:`gather` does. Who does not answer in time is left out.
        """
        told = []

        def meanwhile() -> float:
            told.append(self._histories(names))
            return _patience(len(names))

        paths = self._others()
        heard = ask(paths, json.dumps(names).encode(), meanwhile) if names else Heard()
        told += _read_all(heard, paths, WorkerHistories).values()
        views: dict[str, list[tuple[Event, ...]]] = {name: [] for name in names}
        for history in (history for one in told for history in one.organizations):
            views[history.organization].append(history.recent)
        return {name: join(of_workers) for name, of_workers in views.items()}

    def _answer(self, question: bytes) -> bytes:
        return to_bytes(self._histories(names_in(question)) if question else self._snapshot())

    def _gather(self) -> Pod:
        own = []

        def meanwhile() -> float:
            own.append(self._snapshot())
            return _patience(len(own[0].organizations))

        paths = self._others()
        heard = ask(paths, b"", meanwhile)
        others = _read_all(heard, paths, WorkerSnapshot)
        silent = [pid for path, pid in paths.items() if path in heard.silent]
        silent += [paths[path] for path in heard.answers.keys() - others.keys()]
        silent += [paths[path] for path in heard.refused if not _was_left_by_the_dead(path)]
        return merge([*own, *others.values()], silent, self._expected)

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


def _patience(organizations: int) -> float:
    return PATIENCE + organizations * PATIENCE_OF_ONE


def _read_all(heard: Heard, paths: Mapping[Path, int], kind: type[T]) -> dict[Path, T]:
    """Return the answers that are some, and each of the worker that was asked for it."""
    found: dict[Path, T] = {}
    for path, data in heard.answers.items():
        with contextlib.suppress(UnreadableSnapshotError):
            told = from_bytes(data, kind)
            if told.pid == paths[path]:
                found[path] = told
    return found


def _was_left_by_the_dead(path: Path) -> bool:
    """Remove a socket that nobody listens at if its worker is gone; tell whether it is."""
    try:
        os.kill(int(path.stem), 0)
    except (ProcessLookupError, PermissionError):  # or the number is another user's now
        with contextlib.suppress(OSError):
            path.unlink()
        return True
    return False
