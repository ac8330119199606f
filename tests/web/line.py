"""A port with clients but without sockets: a loop that the test turns, and transports of lists."""

import asyncio
import heapq
import itertools
import re
import ssl
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from flask import Flask

from broker.web.answer import STANDING
from broker.web.at_once import AT_ONCE, AtOnce
from broker.web.bridge import Bridge
from broker.web.connection import Connection
from broker.web.proxies import Proxies
from broker.web.serving import ServedPort
from broker.web.summary import RequestLog
from tests.web.rig import Rig

DATE = rb"Date: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CLIENT = ("203.0.113.9", 7)


class Loop:
    """As much of an event loop as a port uses; time stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.readers: dict[int, Callable[[], object]] = {}
        self._soon: deque[Callable[[], object]] = deque()
        self._later: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()

    def time(self) -> float:
        """Return the time."""
        return self.now

    def call_soon(self, call: Callable[..., object], *arguments: Any) -> None:
        """Call at the next turn."""
        self._soon.append(lambda: call(*arguments))

    call_soon_threadsafe = call_soon

    def call_later(self, delay: float, call: Callable[..., object], *arguments: Any) -> None:
        """Call when its time has come."""
        entry = self.now + delay, next(self._numbers), lambda: call(*arguments)
        heapq.heappush(self._later, entry)

    def add_reader(self, file: int, call: Callable[..., object], *arguments: Any) -> None:
        """Call whenever there is something to read."""
        self.readers[file] = lambda: call(*arguments)

    def remove_reader(self, file: int) -> None:
        """Call no more."""
        del self.readers[file]

    def turn(self) -> bool:
        """Do what is to be done now; tell whether there was anything."""
        while self._later and self._later[0][0] <= self.now:
            self._soon.append(heapq.heappop(self._later)[2])
        calls, self._soon = self._soon, deque()
        for call in calls:
            call()
        return bool(calls)

    def settle(self) -> None:
        """Turn until nothing is left to do now."""
        while self.turn():
            pass


class AtOncePool(Executor):
    """Does its work in the thread that gives it."""

    def submit(self, fn: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
        """Do it."""
        fn(*arguments, **named)
        return Future()


class HeldPool(AtOncePool):
    """Keeps its work until it is let go."""

    def __init__(self) -> None:
        self.held: deque[Callable[[], object]] = deque()

    def submit(self, fn: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
        """Keep it."""
        self.held.append(lambda: fn(*arguments, **named))
        return Future()

    def let_go(self) -> None:
        """Do the oldest."""
        self.held.popleft()()


class Transport(asyncio.Transport):
    """What a connection writes to; ``narrow`` when its client takes nothing."""

    def __init__(self, peer: Any = CLIENT) -> None:
        super().__init__()
        self.protocol: Any = None
        self.sent = b""
        self.ended = self.closed = self.paused = self.narrow = False
        self._peer = peer

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Tell who is at the other end."""
        return self._peer if name == "peername" else None

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Note nothing."""
        assert high == 0

    def write(self, data: Any) -> None:
        """Send; tell the protocol if its client takes nothing."""
        assert not self.ended
        if not self.closed:
            self.sent += data
            if self.narrow:
                self.protocol.pause_writing()

    def write_eof(self) -> None:
        """Say that nothing more comes."""
        self.ended = True

    def pause_reading(self) -> None:
        """Read nothing."""
        self.paused = True

    def resume_reading(self) -> None:
        """Read again."""
        self.paused = False

    def close(self) -> None:
        """Close, once all is sent."""
        if not self.narrow:
            self.abort()

    def abort(self) -> None:
        """Close at once."""
        if not self.closed:
            self.closed = True
            self.protocol.connection_lost(None)


class Client:
    """One connection of a port."""

    def __init__(self, line: "Line", peer: Any = CLIENT) -> None:
        self._line = line
        self.transport = Transport(peer)
        self.connection = Connection(line.port)
        self.transport.protocol = self.connection
        line.port.connections.add(self.connection)
        self.connection.connection_made(self.transport)

    def send(self, *pieces: bytes | str) -> bytes:
        """Send pieces, each once the loop has settled; return what came."""
        for piece in pieces:
            if self.transport.closed:
                break
            data = piece if isinstance(piece, bytes) else piece.encode("latin-1")
            self.connection.data_received(data)
            self._line.loop.settle()
        return self.taken()

    def end(self) -> bytes:
        """Say that nothing more comes; return what came."""
        if not self.transport.closed:
            self.connection.eof_received()
        self._line.loop.settle()
        return self.taken()

    def taken(self) -> bytes:
        """Return what came since it was asked last, without dates."""
        sent, self.transport.sent = self.transport.sent, b""
        return re.sub(DATE, b"", sent)

    @property
    def is_open(self) -> bool:
        """Tell whether it may go on."""
        return not (self.transport.closed or self.transport.ended)


class Line:
    """A port in front of a rig, with the way in the loop unless ``at_once`` is False."""

    def __init__(
        self,
        rig: Rig,
        *,
        at_once: bool = True,
        told: float = 0.0,
        pool: Executor | None = None,
        most: int = 100,
        listeners: Any = (),
        context: Callable[[], ssl.SSLContext] | None = None,
        proxies: Proxies | None = None,
    ) -> None:
        self.rig = rig
        self.loop = Loop()
        app: Flask = rig.app
        requests = RequestLog(rig.clock, told, lambda: 0.5)
        requests.install(app)
        if at_once:
            app.extensions[AT_ONCE] = AtOnce(rig.desk, requests, STANDING)
        loop: Any = self.loop
        bridge = Bridge(8, loop, pool or AtOncePool())
        self.port = ServedPort(
            listeners, app, loop, most=most, bridge=bridge, context=context, proxies=proxies
        )
        self.port.malformed._now = self.loop.time
        self.port.chance = lambda: 0.0

    def connect(self, peer: Any = CLIENT) -> Client:
        """Return a new connection."""
        return Client(self, peer)

    def once(self, *pieces: bytes | str) -> bytes:
        """Return what a connection of its own gets."""
        client = self.connect()
        answer = client.send(*pieces)
        client.transport.close()
        return answer

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and the port look after it."""
        self.loop.now += seconds
        self.loop.settle()
        self.port.look()
        self.loop.settle()
