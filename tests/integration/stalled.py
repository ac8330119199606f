"""A pipe that is full and that nobody reads, as under a log agent that hangs."""

import fcntl
import os
import threading
from contextlib import suppress
from typing import Self

SIZE = 4096


class StalledPipe:
    """The smallest pipe there is, filled; ``writing`` is what a child writes to."""

    def __init__(self) -> None:
        self._reading, self.writing = os.pipe()
        fcntl.fcntl(self.writing, fcntl.F_SETPIPE_SZ, SIZE)
        os.set_blocking(self.writing, False)
        with suppress(BlockingIOError):
            while True:
                os.write(self.writing, b"\n" * SIZE)
        os.set_blocking(self.writing, True)
        self._read: list[bytes] = []
        self._reader: threading.Thread | None = None

    def flow(self) -> None:
        """Begin to read, until every writer has ended."""
        os.close(self.writing)
        self._reader = threading.Thread(target=self._drain)
        self._reader.start()

    def lines(self) -> list[str]:
        """Return the whole lines that were read until now."""
        return b"".join(self._read).decode().strip("\n").splitlines()

    def _drain(self) -> None:
        while piece := os.read(self._reading, SIZE):
            self._read.append(piece)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._reader is None:
            os.close(self.writing)
        else:
            self._reader.join()
        os.close(self._reading)
