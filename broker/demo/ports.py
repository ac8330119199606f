"""Ports of 127.0.0.1: taken, or free."""

import errno
import socket

HOST = "127.0.0.1"


class PortTakenError(Exception):
    """Something else listens on ``port``; ``free`` is one that is free and not ``besides``."""

    def __init__(self, port: int, besides: int | None = None) -> None:
        self.port = port
        self.free = free_port(port + 1, besides)
        super().__init__(f"Port {port} is taken; port {self.free} is free.")


def claim(port: int, besides: int | None = None) -> None:
    """Check that ``port`` is free; raises :class:`PortTakenError`, which offers not ``besides``."""
    if not _is_free(port):
        raise PortTakenError(port, besides)


def free_port(start: int, besides: int | None = None) -> int:
    """Return a free port at or soon after ``start`` that is not ``besides``, else any free one."""
    for port in range(start, min(start + 100, 65536)):
        if port != besides and _is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As a server binds: a connection of a moment ago does not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
    return True
