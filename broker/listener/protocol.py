"""How broker and listener talk: messages on a Unix socket, with descriptors (SCM_RIGHTS).

A broker sends a name, and is sent the sockets that are held under it, perhaps none. It sends a name
with sockets, and these are held. Its connection tells that it lives.
"""

import os
import socket
import struct
from collections.abc import Sequence

MOST = 16
"""Sockets in one message."""
_NAME_BYTES = 4096
_CREDENTIALS = struct.Struct("iII")


def endpoint() -> socket.socket:
    """Return an unconnected socket that keeps messages apart."""
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def is_own_user(connection: socket.socket) -> bool:
    """Tell whether the other side runs as the same user."""
    peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(peer)
    return bool(user == os.geteuid())


def send(connection: socket.socket, name: bytes, sockets: Sequence[int]) -> None:
    """Send a name and sockets; raises OSError where the other side is gone."""
    socket.send_fds(connection, [name], list(sockets))


def receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    """Return the next name and the sockets that came with it; no name where the other has gone."""
    try:
        name, sockets, _, _ = socket.recv_fds(connection, _NAME_BYTES, MOST)
    except ConnectionError:
        return b"", []
    return name, sockets
