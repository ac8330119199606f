"""One port: whom it lets in, and when it does not."""

import asyncio
import errno
import socket
import struct
from collections import deque
from typing import Any

import pytest

from broker.web.bridge import Bridge
from broker.web.client import PIECE
from broker.web.connection import Connection
from broker.web.proxies import Proxies
from broker.web.serving import ACCEPTED, HELD_BACK, ServedPort
from tests.web.line import AtOncePool, HeldPool, Line
from tests.web.rig import Rig


class Listener:
    """A listening socket with clients that wait."""

    def __init__(self) -> None:
        self.waiting: deque[Any] = deque()
        self.closed = False

    def fileno(self) -> int:
        """Return a number."""
        return 7

    def accept(self) -> tuple[Any, Any]:
        """Return the next client."""
        if not self.waiting:
            raise BlockingIOError
        one = self.waiting.popleft()
        if isinstance(one, OSError):
            raise one
        return one, None

    def close(self) -> None:
        """Note it."""
        self.closed = True


class Rigged(Line):
    """A port with a listener; who is let in is only counted."""

    def __init__(self, most: int = 100) -> None:
        self.listener = Listener()
        super().__init__(Rig("acme"), listeners=[self.listener], most=most)
        self.greeted: list[Connection] = []
        self.port._greet = self._greet  # type: ignore[method-assign]
        self.port.open()

    def _greet(self, client: Any, address: object) -> None:
        connection = Connection(self.port)
        self.greeted.append(connection)
        self.port.connections.add(connection)

    def listens(self) -> bool:
        """Tell whether somebody would be let in."""
        return 7 in self.loop.readers

    def accept(self) -> int:
        """Let the loop find who waits; return how many were let in."""
        before = len(self.greeted)
        if self.listens():
            self.loop.readers[7]()
        return len(self.greeted) - before


@pytest.fixture
def line() -> Rigged:
    """Make one."""
    return Rigged()


def test_some_are_let_in_at_a_time(line: Rigged) -> None:
    """Other workers want some as well, and those that are in want to be answered."""
    line.listener.waiting.extend(range(ACCEPTED + 3))
    assert [line.accept() for _ in range(3)] == [ACCEPTED, 3, 0]


def test_a_full_port_lets_nobody_in_until_somebody_leaves() -> None:
    """Who waits is let in then; and answers say that they are the last meanwhile."""
    line = Rigged(most=2)
    line.listener.waiting.extend(range(3))
    assert line.accept() == 2
    assert not line.listens()
    assert not line.port.keeps()
    line.port.leave(line.greeted[0])
    assert line.listens()
    assert line.port.keeps()
    assert line.accept() == 1


def test_one_that_is_held_back(line: Rigged) -> None:
    """Looks again in a moment."""
    line.listener.waiting.extend(range(3))
    line.port.may_accept = lambda: False
    assert line.accept() == 0
    assert not line.listens()
    line.pass_time(HELD_BACK)
    assert not line.listens()
    line.port.may_accept = lambda: True
    line.pass_time(HELD_BACK)
    assert line.accept() == 3


def test_no_more_files(line: Rigged) -> None:
    """Whoever ends gives some back; the loop does not spin."""
    line.listener.waiting.extend([OSError(errno.EMFILE, "no"), 1])
    assert line.accept() == 0
    assert not line.listens()
    line.pass_time(HELD_BACK)
    assert line.accept() == 1


def test_no_more_files_while_many_leave(line: Rigged) -> None:
    """One look at a time, however many went."""
    for number in range(5):
        line.listener.waiting.extend([number, OSError(errno.EMFILE, "no")])
        line.accept()
        line.port.leave(line.greeted[0])
        line.pass_time(HELD_BACK / 10)
    line.listener.waiting.clear()
    looks = 0
    for _ in range(20):
        line.listener.waiting.append(OSError(errno.EMFILE, "no"))
        line.pass_time(HELD_BACK / 10)
        looks += line.listens()
        line.accept()
    assert looks <= 2


def test_a_client_that_went_before_it_was_let_in(line: Rigged) -> None:
    """The next one is."""
    line.listener.waiting.extend([ConnectionAbortedError(), 1])
    assert [line.accept(), line.accept()] == [0, 1]


@pytest.mark.sockets
def test_a_client_that_resets_before_it_is_let_in() -> None:
    """It holds no place, though nobody can tell any more who it was."""
    loop, app = asyncio.new_event_loop(), Line(Rig("acme")).rig.app
    bridge, proxies = Bridge(1, loop, AtOncePool()), Proxies(("127.0.0.0/8",))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)  # the name says what is false
        port = ServedPort([listener], app, loop, most=2, bridge=bridge, proxies=proxies)
        with socket.create_connection(listener.getsockname()) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        port.open()
        for _ in range(10):
            loop.run_until_complete(asyncio.sleep(0))
        with pytest.raises(BlockingIOError):
            listener.accept()
    loop.close()
    assert port.connections == set()


@pytest.mark.sockets
def test_little_is_taken_at_a_time() -> None:
    """Who does not take its answers makes nobody hold much of what it asks."""
    loop, app = asyncio.new_event_loop(), Line(Rig("acme")).rig.app
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        bridge = Bridge(1, loop, HeldPool())
        port = ServedPort([listener], app, loop, most=2, bridge=bridge)
        port.open()
        with socket.create_connection(listener.getsockname()) as client:
            client.setblocking(False)
            client.send(b"GET /health/live HTTP/1.1\r\nHost: b\r\n\r\n" * 4000)
            held: list[bytes] = []
            while not any(held):
                loop.run_until_complete(asyncio.sleep(0))
                held = [one._waiting for one in port.connections if isinstance(one, Connection)]
        assert len(held[0]) <= PIECE
        port.stop()
        port.close()
        loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def test_a_stop(line: Rigged) -> None:
    """It closes what it listens at, and never opens it again."""
    line.port.stop()
    assert line.listener.closed
    assert not line.listens()
    line.port.open()
    assert not line.listens()
    assert not line.port.keeps()


def test_a_turn_that_fails(line: Rigged) -> None:
    """It is told; those that wait, and those that come later, have theirs."""
    done: list[int] = []
    line.port.take_turn(lambda: 1 // 0)
    line.port.take_turn(lambda: done.append(1))
    with pytest.raises(ZeroDivisionError):
        line.loop.settle()
    line.loop.settle()
    line.port.take_turn(lambda: done.append(2))
    line.loop.settle()
    assert done == [1, 2]


def test_the_end_cuts_what_is_left(line: Rigged) -> None:
    """Whatever it does."""
    client = line.connect()
    client.send(b"GET")
    line.port.connections.add(Connection(line.port))  # let in a moment ago
    line.port.close()
    assert client.transport.closed
