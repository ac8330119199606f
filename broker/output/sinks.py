"""Where lines go: a descriptor that is open already, a file, or nowhere."""

import os
import select
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

ATOMIC = 4096
"""Bytes that a pipe takes in one piece (PIPE_BUF), so that workers do not mix their lines."""
STANDARD_INPUT, STANDARD_OUTPUT, STANDARD_ERROR = 0, 1, 2
_STREAMS = {"stdout": STANDARD_OUTPUT, "stderr": STANDARD_ERROR}
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
_MODE = 0o640
_NOT_OPEN = -1


class Sink(Protocol):
    """Takes whole lines. May block; raises ``OSError`` where it cannot take them now."""

    def write(self, lines: bytes) -> None:
        """Write the lines."""
        ...


class DescriptorSink:
    """Writes to an open file descriptor; where that does not block, it waits for room itself."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._torn = False

    def write(self, lines: bytes) -> None:
        """Write the lines; after a line that was torn by an error, begin on a new one."""
        left = b"\n" + lines if self._torn else lines
        while left:
            left = left[self._write(left) :]
            self._torn = bool(left)

    def _write(self, lines: bytes) -> int:
        try:
            return os.write(self._descriptor, lines)
        except BlockingIOError:  # who shares the open file wants it so, and it is full
            room = select.poll()
            room.register(self._descriptor, select.POLLOUT)
            room.poll()
            return 0


class FileSink(DescriptorSink):
    """Appends to a file, which is opened anew when it was moved away or removed."""

    def __init__(self, path: Path) -> None:
        super().__init__(_NOT_OPEN)
        self._path = path

    def write(self, lines: bytes) -> None:
        """Append the lines."""
        if not self._is_in_place():
            before, self._descriptor = self._descriptor, os.open(self._path, _FLAGS, _MODE)
            self._torn = False
            with suppress(OSError):
                os.close(before)
        super().write(lines)

    def _is_in_place(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._descriptor), self._path.stat())
        except OSError:
            return False


def sink(where: str) -> Sink | None:
    """Return the sink of a word (``stdout``, ``stderr``) or path; None for ``none``."""
    if where == "none":
        return None
    if where in _STREAMS:
        return DescriptorSink(_STREAMS[where])
    return FileSink(Path(where))


def open_standard_descriptors() -> None:
    """Open the standard descriptors that are closed; call it before anything else is opened.

    The next file or connection would take the number, and the lines would go there. Standard error
    stands in for standard output; what else was closed leads nowhere.
    """
    numbers = STANDARD_INPUT, STANDARD_OUTPUT, STANDARD_ERROR
    closed = [number for number in numbers if not _is_open(number)]
    if not closed:
        return
    nowhere = os.open(os.devnull, os.O_RDWR)  # takes the lowest number of these
    for number in closed:
        os.dup2(nowhere, number)
    if STANDARD_OUTPUT in closed:
        os.dup2(STANDARD_ERROR, STANDARD_OUTPUT)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def pieces(lines: Iterable[bytes], limit: int = ATOMIC) -> Iterator[bytes]:
    """Yield the lines joined to pieces of at most ``limit`` bytes; a longer line stands alone."""
    piece = b""
    for line in lines:
        if piece and len(piece) + len(line) > limit:
            yield piece
            piece = b""
        piece += line
    if piece:
        yield piece
