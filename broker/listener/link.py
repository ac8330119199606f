"""The broker's side: it takes the sockets that are held, and has its own held."""

import logging
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from broker.listener.protocol import endpoint, is_own_user, receive, send

LIMIT_S = 5.0
"""Seconds to wait for a listener that is there."""
PATIENCE = 10
"""Tries, about a second apart, after which a listener that is not there is told."""
_LEFT = frozenset({"GUNICORN_FD", "LISTEN_FDS"})
_log = logging.getLogger(__name__)


class Listening(Protocol):
    """A listening socket."""

    def fileno(self) -> int:
        """Return its descriptor."""
        ...


class Link:
    """The connection to the listener at ``path``; without a path, nothing is done.

    ``bind`` are the addresses of the sockets, in their order: held are those of no other addresses.
    """

    def __init__(self, path: Path | None, bind: Sequence[str]) -> None:
        self._path = path
        self._name = ",".join(bind).encode()
        self._connection: socket.socket | None = None
        self._holds = False
        self._tries = 0

    def take(self) -> list[int]:
        """Return descriptors of the sockets that are held; none if these must be opened.

        None either where sockets come another way: gunicorn leaves its own on SIGUSR2, and systemd
        those of a unit.
        """
        if self._path is None or os.environ.keys() & _LEFT:
            return []
        try:
            connection = self._connect(self._path)
            connection.settimeout(LIMIT_S)
            send(connection, self._name, ())
            _, sockets = receive(connection)
        except OSError:
            self.close()
            return []
        connection.settimeout(0)
        return sockets

    def keep(self, sockets: Sequence[Listening]) -> None:
        """Have these sockets held; to be called about once a second, for the listener may die."""
        if self._path is None or (self._holds and self._is_connected()):
            return
        self._holds = False
        try:
            connection = self._connection or self._connect(self._path)
            send(connection, self._name, [one.fileno() for one in sockets])
        except OSError as error:
            self.close()
            self._tries += 1
            if self._tries == PATIENCE:
                _log.warning("listener.unreachable", extra={"reason": error.strerror})
            return
        self._holds, self._tries = True, 0
        _log.info("listener.connected", extra={"sockets": len(sockets)})

    def close(self) -> None:
        """End the connection; what is held is closed soon, unless another broker connects."""
        self._holds = False
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self, path: Path) -> socket.socket:
        self._connection = connection = endpoint()
        connection.settimeout(0)
        connection.connect(str(path))
        if not is_own_user(connection):
            raise PermissionError(1, "another user's")
        return connection

    def _is_connected(self) -> bool:
        """Tell whether the listener lives: it sends nothing unasked."""
        assert self._connection is not None  # noqa: S101  # it holds the sockets
        with suppress(BlockingIOError):
            if not self._connection.recv(1):
                self.close()
                return False
        return True
