"""Child processes that end with this one."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Self

_POLL = 0.05


class ChildDiedError(Exception):
    """A child ended by itself."""


class Children:
    """Runs ``broker`` commands beside this process, and ends them all at the end.

    Each has a session of its own, so that Ctrl-C reaches this process alone and the children end
    in the right order: last started, first stopped.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def start(self, name: str, arguments: Sequence[str], environ: Mapping[str, str]) -> None:
        """Start ``broker`` with ``arguments``; it speaks where this process speaks."""
        command = [sys.executable, "-m", "broker", *arguments]
        child = subprocess.Popen(command, env=dict(environ), start_new_session=True)  # noqa: S603  # our own command
        self._running.append((name, child))

    def check(self) -> None:
        """Raise :class:`ChildDiedError` if one of them has ended."""
        for name, child in self._running:
            if child.poll() is not None:
                raise ChildDiedError(f"The {name} has ended by itself (exit {child.returncode}).")

    def stop(self) -> None:
        """End them all; what does not end in time is killed with its whole session."""
        while self._running:
            _, child = self._running.pop()
            if child.poll() is None:
                child.terminate()
                self._wait(child)
            _kill_session(child.pid)
            child.wait()

    def _wait(self, child: "subprocess.Popen[bytes]") -> None:
        until = time.monotonic() + self._patience
        while child.poll() is None and time.monotonic() < until:
            time.sleep(_POLL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _kill_session(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return
