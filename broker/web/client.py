"""How long a client may take: for a request, for an answer, between two, and to close.

Each state has one instant until which it may last; the port looks at all connections a few times a
second, so no request has a timer of its own. While the application works on a request no clock
runs: it has bounds of its own.
"""

import asyncio
import math
from abc import ABC, abstractmethod
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from broker.web.serving import ServedPort

READ_LIMIT = 10.0
"""Seconds from the first byte of a request, or of a TLS handshake, to its end."""
SPREAD = 0.1
"""Part of these that some have less: who begin together are not cut, and come again, together."""
WRITE_LIMIT = 10.0
"""Seconds for a client to take the answer."""
IDLE_LIMIT = 75.0
"""Seconds of silence between two requests, and before the first one."""
LINGER = 2.0
"""Seconds that an answered client has to close: closing first could cost it the answer."""
PIECE = 16384
"""Bytes that are taken from a socket at once; what comes too early is held for as long as it is."""
MOST_DROPPED = 65536
"""Bytes that it may send meanwhile; they are thrown away."""


class State(Enum):
    """What a connection does at the moment."""

    IDLE = auto()
    READING = auto()
    WORKING = auto()
    WRITING = auto()
    CLOSING = auto()
    CLOSED = auto()


IDLE, READING, WORKING, WRITING, CLOSING, CLOSED = State


_buffer = memoryview(bytearray(PIECE))


class Receiver(asyncio.BufferedProtocol, ABC):
    """Takes little at a time: asyncio by itself takes a quarter of a megabyte."""

    __slots__ = ()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to put what has come: the same for all, it is taken at once."""
        del sizehint
        return _buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take it."""
        self.data_received(bytes(_buffer[:nbytes]))

    @abstractmethod
    def data_received(self, data: bytes) -> None:
        """Take what has come."""


class Client(Receiver):
    """A client of ``port``; ``remote`` is its address, empty for a Unix socket.

    ``until`` is the monotonic instant until which it may stay as it is.
    """

    __slots__ = ("_ended", "_left", "_port", "_slow", "_state", "_transport", "remote", "until")

    def __init__(self, port: "ServedPort") -> None:
        self._port = port
        self._transport: Any = None
        self._state = IDLE
        self._ended = self._slow = False
        self._left = MOST_DROPPED
        self.remote = ""
        self.until = math.inf

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; the client may be silent for a while."""
        self._transport = transport
        self._transport.set_write_buffer_limits(0)
        self.remote = address_of(transport.get_extra_info("peername"))
        self._rest(self._port.now())

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it; an answer that is still made is nobody's."""
        del exc
        self._state = CLOSED
        self._port.leave(self)

    def pause_writing(self) -> None:
        """Wait for the client to take its answer before anything else is read."""
        self._slow = True

    def resume_writing(self) -> None:
        """Go on: the answer is taken."""
        self._slow = False
        if self._state is CLOSING:
            self.until = self._port.now() + LINGER
        elif self._state is WRITING:
            self._rest(self._port.now())
            self._resume()

    @property
    def is_there(self) -> bool:
        """Tell whether the client has neither gone nor had its last answer."""
        return self._state not in {CLOSING, CLOSED}

    def begin_handshake(self) -> None:
        """Note that a handshake has begun, which has the time of a request."""
        self._wait_for_rest()

    def end_handshake(self) -> None:
        """Note that it is over."""
        self._rest(self._port.now())

    def fail(self, error: str) -> None:
        """End it, since TLS has found a fault; the alert is on its way."""
        self._port.malformed.note(error, self.remote)
        self._state, self.until = CLOSING, self._port.now() + LINGER
        self._transport.close()

    def stop(self) -> None:
        """Wait no longer than a moment for another request."""
        if self._state is IDLE:
            self.until = min(self.until, self._port.now() + LINGER)

    def overdue(self) -> None:
        """End it: its time is over."""
        if self._state is IDLE and not self._slow:
            self._transport.close()
            return
        if self._state is READING or self._slow:
            self._port.malformed.note("TooSlow", self.remote)
        self.cut()

    def cut(self) -> None:
        """End it at once; one that is only just let in has no transport yet."""
        if self._transport is not None:
            self._transport.abort()

    def _send(self, answer: bytes, *, close: bool) -> None:
        self._transport.write(answer)
        port = self._port
        now = port.now()
        if port.in_turn:
            port.late = now > port.ends
        if close:
            self._finish()
        elif self._slow:
            self._state, self.until = WRITING, now + WRITE_LIMIT
        else:
            self._rest(now)

    def _finish(self) -> None:
        """Say that nothing more comes, and let the client close first."""
        self._state = CLOSING
        if self._ended:
            self._transport.close()
        else:
            self._transport.write_eof()
            self._transport.resume_reading()
        self.until = self._port.now() + (WRITE_LIMIT if self._slow else LINGER)

    def _drop(self, data: bytes) -> None:
        """Throw away what comes after the last answer, but not endlessly."""
        self._left -= len(data)
        if self._left < 0:
            self.cut()

    def _rest(self, now: float) -> None:
        """Wait for the next request."""
        self._state = IDLE
        self.until = now + (LINGER if self._port.stopping else IDLE_LIMIT)

    def _wait_for_rest(self) -> None:
        """Read on, for as long as a request may take from its first byte."""
        if self._state is IDLE:
            limit = READ_LIMIT * (1 - SPREAD * self._port.chance())
            self._state, self.until = READING, self._port.now() + limit

    @abstractmethod
    def _resume(self) -> None:
        """Go on with the next request."""


def address_of(peer: object) -> str:
    """Return the address of host and port; a Unix socket has none."""
    return str(peer[0]) if isinstance(peer, tuple) else ""
