"""The load generator that comes with the harness: raw sockets on one thread, in its own process.

Closed loop: each connection sends its next request as soon as it has its answer. Open loop, with a
``rate``: requests come when they come, whatever the server does; one that finds no connection free
is dropped and counted, as by callers that have a limit of their own.
"""

import itertools
import select
import socket
import ssl
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.wire import read

BROKEN = "broken"
"""Counted like a status: the connection ended, or what came was no answer."""
MISSING = "missing"
"""Counted like a status: no answer came within ``PATIENCE`` after the end."""
NUMBER = b"0123456789abcdef"
"""Stands in requests for a number that no other request of the run has."""
PATIENCE = 5.0
_PIECE = 65536
_CONNECT_LIMIT = 5.0
_LOOK = 0.02


@dataclass(frozen=True, slots=True)
class Order:
    """What one run of the load does; ``warm`` seconds come before those that count.

    ``authority`` is the PEM file of who signed the server's certificate; without it no TLS.
    """

    port: int
    requests: list[bytes]
    connections: int
    seconds: float
    warm: float = 0.0
    rate: float | None = None
    authority: str | None = None


@dataclass(slots=True)
class Samples:
    """What became of a run; ``ended`` are monotonic instants, ``seconds`` the time to the answer.

    ``statuses`` counts all, those of the warm-up included; ``counted`` those that ended in time.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    ended: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    dropped: int = 0
    counted: int = 0

    @property
    def failures(self) -> dict[str, int]:
        """Return how often something else than a 200 came."""
        return {status: count for status, count in self.statuses.items() if status != "200"}


class Connection:
    """One connection and the request that waits for its answer on it."""

    __slots__ = ("began", "received", "sock")

    def __init__(self, port: int, tls: ssl.SSLContext | None) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), _CONNECT_LIMIT)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.sock = tls.wrap_socket(self.sock, server_hostname="127.0.0.1")
        self.sock.setblocking(False)  # noqa: FBT003  # the name says what is false
        self.began: float | None = None
        self.received = b""

    def send(self, request: bytes, began: float) -> None:
        """Send a request that fits the socket's buffer."""
        self.began = began
        self.sock.send(request)

    def receive(self) -> bytes:
        """Return what is there, nothing at the end; raises ``BlockingIOError`` for none yet."""
        try:
            return self.sock.recv(_PIECE)
        except ssl.SSLWantReadError as error:
            raise BlockingIOError from error

    def has_more(self) -> bool:
        """Tell whether some of what the kernel handed over is still to be received."""
        return isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0


class Engine:
    """Carries out one order."""

    def __init__(self, order: Order) -> None:
        self.samples = Samples()
        self._order = order
        self._tls = client_of(order.authority)
        self._requests = requests_of(order)
        self._poll = select.epoll()
        self._all: dict[int, Connection] = {}
        self._free: deque[Connection] = deque()
        self._sending = True
        self._from = 0.0
        self._until = 0.0

    def run(self) -> Samples:
        """Connect, send until the time is over, wait for the last answers."""
        for _ in range(self._order.connections):
            self._connect()
        began = time.monotonic()
        self._from = began + self._order.warm
        self._until = self._from + self._order.seconds
        try:
            self._send_all(began)
            self._sending = False
            self._wait_for_last()
        finally:
            self._poll.close()
            for connection in self._all.values():
                connection.sock.close()
        return self.samples

    def _send_all(self, began: float) -> None:
        arrivals = self._arrivals(began)
        if self._order.rate is None:
            self._use_free()
        while time.monotonic() < self._until:
            self._read_ready(next(arrivals))

    def _arrivals(self, due: float) -> Iterator[float]:
        """Send what is due, and yield the seconds until the next is; nothing in a closed loop."""
        rate = self._order.rate
        while True:
            if rate is None:
                yield _LOOK
                continue
            now = time.monotonic()
            while due <= now:
                self._arrive(due)
                due += 1 / rate
            yield min(_LOOK, max(0.0, due - time.monotonic()))

    def _arrive(self, due: float) -> None:
        if self._free:
            self._ask(self._free.popleft(), due)
        else:
            self.samples.dropped += 1

    def _use_free(self) -> None:
        while self._free:
            self._ask(self._free.popleft(), time.monotonic())

    def _wait_for_last(self) -> None:
        until = time.monotonic() + PATIENCE
        while any(one.began is not None for one in self._all.values()):
            if time.monotonic() > until:
                break
            self._read_ready(_LOOK)
        waiting = sum(one.began is not None for one in self._all.values())
        if waiting:
            self.samples.statuses[MISSING] += waiting

    def _connect(self) -> None:
        connection = Connection(self._order.port, self._tls)
        self._all[connection.sock.fileno()] = connection
        self._poll.register(connection.sock, select.EPOLLIN)
        self._free.append(connection)

    def _ask(self, connection: Connection, began: float) -> None:
        try:
            connection.send(next(self._requests), began)
        except OSError:
            self._replace(connection)

    def _read_ready(self, timeout: float) -> None:
        for descriptor, _ in self._poll.poll(timeout):
            connection = self._all.get(descriptor)  # not one that was replaced a moment ago
            if connection is not None:
                self._read(connection)

    def _read(self, connection: Connection) -> None:
        try:
            connection.received += (piece := connection.receive())
            while connection.has_more():
                connection.received += connection.receive()
            answer = read(connection.received)
        except BlockingIOError:
            return
        except (OSError, ValueError):
            piece, answer = b"", None
        if answer is not None:
            connection.received = connection.received[answer.size :]
            self._note(connection, answer.status)
        if not piece or (answer is not None and answer.closes):
            self._replace(connection)
        elif answer is not None:
            self._go_on(connection)

    def _note(self, connection: Connection, status: str) -> None:
        now, began = time.monotonic(), connection.began
        connection.began = None
        self.samples.statuses[status] += 1
        if began is not None and self._from <= began:
            self.samples.ended.append(now)
            self.samples.seconds.append(now - began)
            self.samples.counted += now <= self._until

    def _go_on(self, connection: Connection) -> None:
        if self._order.rate is None and self._sending:
            self._ask(connection, time.monotonic())
        else:
            self._free.append(connection)

    def _replace(self, connection: Connection) -> None:
        """Take a new connection for one that has ended, with or without the answer owed."""
        if connection.began is not None:
            self.samples.statuses[BROKEN] += 1
        if connection in self._free:
            self._free.remove(connection)
        del self._all[connection.sock.fileno()]
        connection.sock.close()
        if self._sending:
            try:
                self._connect()
            except OSError:
                self.samples.statuses[BROKEN] += 1
                return
            if self._order.rate is None:
                self._use_free()


def client_of(authority: str | None) -> ssl.SSLContext | None:
    """Return a client that trusts the authority and speaks TLS 1.3, or None for none."""
    if authority is None:
        return None
    context = ssl.create_default_context(cafile=authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def requests_of(order: Order) -> Iterator[bytes]:
    """Return the requests in turn for ever, each with a number of its own where it has one."""
    for request, number in zip(itertools.cycle(order.requests), itertools.count(1)):
        yield request.replace(NUMBER, b"%016x" % number) if NUMBER in request else request
