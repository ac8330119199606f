"""``python -m broker.listener PATH`` holds the listening sockets of the broker that connects there.

SIGTERM has it let go of them at once, and end when no broker is connected any more.
"""

import os
import selectors
import signal
import socket
import sys
import time
from pathlib import Path

from broker.listener.held import HeldSockets
from broker.listener.protocol import endpoint, is_own_user, receive, send

_FOR_THIS_USER = 0o177


def main() -> None:
    """Hold sockets until stopped."""
    if len(sys.argv) != 2:  # noqa: PLR2004  # its name, and the path
        sys.exit("usage: python -m broker.listener PATH")
    held = HeldSockets(time.monotonic)
    with selectors.DefaultSelector() as selector, endpoint() as door:
        listen(door, Path(sys.argv[1]))
        selector.register(door, selectors.EVENT_READ)
        stopped = signals()
        selector.register(stopped, selectors.EVENT_READ)
        while not held.has_ended:
            for key, _ in selector.select(held.remaining()):
                if key.fileobj is door:
                    admit(door, selector, held)
                elif key.fileobj is stopped:
                    stopped.recv(1)
                    held.end()
                else:
                    hear(key.fileobj, selector, held)  # type: ignore[arg-type]
            held.expire()


def listen(door: socket.socket, path: Path) -> None:
    """Listen at ``path``, for this user alone; what an earlier process has left there goes."""
    path.unlink(missing_ok=True)
    os.umask(_FOR_THIS_USER)
    door.bind(str(path))
    door.listen()


def signals() -> socket.socket:
    """Return a socket that has a byte for each signal to stop: the first process has no default."""
    stopped, told = socket.socketpair()
    told.settimeout(0)
    signal.set_wakeup_fd(told.detach())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    return stopped


def admit(door: socket.socket, selector: selectors.BaseSelector, held: HeldSockets) -> None:
    """Let a broker of the same user in."""
    broker, _ = door.accept()
    if not is_own_user(broker):
        broker.close()
        return
    held.join()
    selector.register(broker, selectors.EVENT_READ)


def hear(broker: socket.socket, selector: selectors.BaseSelector, held: HeldSockets) -> None:
    """Take a broker's sockets, give it those that are held, or take note that it has gone."""
    name, sockets = receive(broker)
    if sockets:
        held.keep(name, sockets)
        return
    try:
        if name:
            send(broker, name, held.find(name))
            return
    except OSError:
        pass  # it has gone since
    selector.unregister(broker)
    broker.close()
    held.leave()


if __name__ == "__main__":
    main()
