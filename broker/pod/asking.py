"""Asking all siblings at once, on one thread and within one limit of time."""

import selectors
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

LARGEST = 1 << 24
"""Bytes of the longest answer that is taken: 50 for each organization, or 2,000 for a history."""
_PIECE = 1 << 18


@dataclass(slots=True)
class Heard:
    """What came of asking: whole ``answers``, who was ``silent``, and where nobody listens."""

    answers: dict[Path, bytes] = field(default_factory=dict)
    silent: set[Path] = field(default_factory=set)
    refused: set[Path] = field(default_factory=set)


def ask(paths: Iterable[Path], question: bytes, meanwhile: Callable[[], float]) -> Heard:
    """Return what the listeners at ``paths`` answer to ``question``.

    ``meanwhile`` is called once they have all been asked, and returns for how many seconds they are
    waited for then, in all. A listener sends its answer at once and closes. One whose socket has
    gone has left and is in no list.
    """
    heard = Heard()
    with ExitStack() as stack, selectors.PollSelector() as selector:
        for path in paths:
            connection = _Connection(path)
            if connection.opens(heard, stack, question):
                selector.register(connection.socket, selectors.EVENT_READ, connection)
        until = meanwhile() + time.monotonic()
        while selector.get_map() and (left := until - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                if key.data.ends(heard):
                    selector.unregister(key.fileobj)
        heard.silent.update(key.data.path for key in selector.get_map().values())
    return heard


class _Connection:
    """One question and as much of its answer as has come."""

    socket: socket.socket

    def __init__(self, path: Path) -> None:
        self.path = path
        self._came = bytearray()

    def opens(self, heard: Heard, stack: ExitStack, question: bytes) -> bool:
        """Ask without waiting; tell whether an answer may come. ``stack`` closes the connection."""
        try:
            self.socket = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            self.socket.settimeout(0)
            self.socket.connect(str(self.path))
            self.socket.sendall(question)
            self.socket.shutdown(socket.SHUT_WR)
        except FileNotFoundError:
            return False
        except ConnectionRefusedError:
            heard.refused.add(self.path)
            return False
        except OSError:  # most likely a full queue: whoever listens takes no connections
            heard.silent.add(self.path)
            return False
        return True

    def ends(self, heard: Heard) -> bool:
        """Take what has come; tell whether nothing more is wanted."""
        try:
            piece = self.socket.recv(_PIECE)
        except BlockingIOError:
            return False
        except OSError:
            heard.silent.add(self.path)
            return True
        self._came += piece
        if len(self._came) > LARGEST:
            heard.silent.add(self.path)
        elif not piece:
            heard.answers[self.path] = bytes(self._came)
        else:
            return False
        return True
