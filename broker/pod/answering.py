"""Answers the siblings of a worker: whoever connects to its socket asks, and is answered."""

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path

LONGEST_SEND = 0.3
"""Seconds after which a sibling that does not ask, or take the answer, is left."""
SEND_S_OF_BYTE = 1e-6
"""Seconds more for each byte of the answer: who asks may be busy with its own."""
LONGEST_QUESTION = 1 << 20
"""Bytes of the longest question that is read."""
_QUEUE = 128
_PAUSE = 0.1
_JOIN = 1.0


class Listener:
    """Answers each connection to the Unix socket ``path`` on a thread of its own.

    ``answer`` is given what was asked, up to the end that the sibling makes of its sending.

    The directory is for this user alone. ``path`` appears when somebody listens behind it and not
    before: where it refuses a connection, its owner is dead.
    """

    def __init__(self, path: Path, answer: Callable[[bytes], bytes]) -> None:
        self._path = path
        self._answer = answer
        self._stopped = threading.Event()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._thread = threading.Thread(target=self._serve, name="siblings", daemon=True)

    def start(self) -> None:
        """Listen; raises OSError where that is impossible, and then holds nothing."""
        hidden = self._path.with_suffix(".new")
        try:
            hidden.unlink(missing_ok=True)
            self._socket.bind(str(hidden))
            hidden.chmod(0o600)
            self._socket.listen(_QUEUE)
            hidden.replace(self._path)
        except OSError:
            self._socket.close()
            raise
        self._thread.start()

    def stop(self) -> None:
        """Remove the socket and end the thread; it is not waited for beyond a second."""
        self._stopped.set()
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as waker:
            waker.settimeout(_PAUSE)
            waker.connect(str(self._path))
        with contextlib.suppress(OSError):
            self._path.unlink()
        self._thread.join(_JOIN)
        self._socket.close()

    def _serve(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:  # out of file descriptors, say: that passes
                self._stopped.wait(_PAUSE)
                continue
            with connection:
                self._tell(connection)

    def _tell(self, connection: socket.socket) -> None:
        """Send the answer; whatever goes wrong, the asker sees no whole one."""
        if self._stopped.is_set():
            return
        with contextlib.suppress(Exception):
            connection.settimeout(LONGEST_SEND)
            answer = self._answer(_question(connection))
            connection.settimeout(LONGEST_SEND + SEND_S_OF_BYTE * len(answer))
            connection.sendall(answer)


def _question(connection: socket.socket) -> bytes:
    question = bytearray()
    while piece := connection.recv(LONGEST_QUESTION):
        question += piece
        if len(question) > LONGEST_QUESTION:
            raise ValueError("too long a question")
    return bytes(question)
