"""A process that is started, waited for within a limit, and ended; its log stays in a file."""

import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

STOP_LIMIT = 20.0
TAIL = 15


class DeadError(Exception):
    """It ended by itself, or was not ready in time; says the end of its log."""


class Process:
    """One program; ``name`` is that of its log."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self._log = log
        with log.open("ab") as stream:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until(self, ready: Callable[[], bool], limit: float) -> None:
        """Return once ``ready`` says so; raise DeadError if the process ends or time runs out."""
        until = time.monotonic() + limit
        while not ready():
            if self._process.poll() is not None:
                raise DeadError(f"ended with {self._process.returncode}:\n{self._tail()}")
            if time.monotonic() > until:
                raise DeadError(f"not ready within {limit:.0f} s:\n{self._tail()}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End it: with SIGTERM, and by force if that takes long."""
        self._process.terminate()
        try:
            self._process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_LIMIT)

    def _tail(self) -> str:
        lines = self._log.read_text("utf-8", "replace").splitlines()[-TAIL:]
        return "\n".join([f"{self._log.name}:", *lines])
