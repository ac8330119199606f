"""One connection: what has come is read, answered in its order, and never waited for too long.

It is an asyncio protocol. Each state has one instant until which it may last; its port looks at all
of them a few times a second, so no request has a timer of its own. While the application works on a
request no clock runs: it has bounds of its own.
"""

import asyncio
import math
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from gunicorn.asgi.parser import ParseError

from broker.web.reading import BrokenBodyError, Reading, Sent

if TYPE_CHECKING:
    from broker.web.serving import ServedPort

READ_LIMIT = 10.0
"""Seconds from the first byte of a request, or of a TLS handshake, to its end."""
WRITE_LIMIT = 10.0
"""Seconds for a client to take the answer."""
IDLE_LIMIT = 75.0
"""Seconds of silence between two requests, and before the first one."""
LINGER = 2.0
"""Seconds that an answered client has to close: closing first could cost it the answer."""
MOST_DROPPED = 65536
"""Bytes that it may send meanwhile; they are thrown away."""
AT_A_TIME = 16
"""Requests of one connection that are answered before others have their turn."""
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class State(Enum):
    """What a connection does at the moment."""

    IDLE = auto()
    READING = auto()
    WORKING = auto()
    WRITING = auto()
    CLOSING = auto()
    CLOSED = auto()


IDLE, READING, WORKING, WRITING, CLOSING, CLOSED = State


class Connection(asyncio.Protocol):
    """A client of ``port``; ``remote`` is its address, empty for a Unix socket.

    ``until`` is the monotonic instant until which it may stay as it is.
    """

    __slots__ = (
        "_ended",
        "_left",
        "_partial",
        "_port",
        "_reading",
        "_slow",
        "_state",
        "_transport",
        "_waiting",
        "remote",
        "until",
    )

    def __init__(self, port: "ServedPort") -> None:
        self._port = port
        self._transport: Any = None
        self._state = IDLE
        self._reading: Reading | None = None
        self._partial = b""
        self._waiting = b""
        self._ended = self._slow = False
        self._left = MOST_DROPPED
        self.remote = ""
        self.until = math.inf

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; the client may be silent for a while."""
        self._transport = transport
        self._transport.set_write_buffer_limits(0)
        peer = transport.get_extra_info("peername")
        self.remote = str(peer[0]) if isinstance(peer, tuple) else ""
        self.until = self._port.now() + IDLE_LIMIT

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it; an answer that is still made is nobody's."""
        del exc
        self._state, self._reading, self._waiting = CLOSED, None, b""
        self._port.leave(self)

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        if self._state is IDLE and not self._waiting:
            self._go_on(data)
        elif self._state is READING:
            self._read(data)
        elif self._state is CLOSING:
            self._left -= len(data)
            if self._left < 0:
                self._transport.abort()
        else:
            self._hold(data)

    def eof_received(self) -> bool:
        """Note that nothing more comes; what was asked for is still answered."""
        self._ended = True
        if self._partial:
            self._reading = Reading()
            self._take(self._reading, self._partial)
        if self._state is READING and self._reading is not None and self._reading.headed:
            self._refuse(BrokenBodyError())
        elif self._state in {IDLE, READING, CLOSING}:
            self._transport.close()
        return True

    def pause_writing(self) -> None:
        """Wait for the client to take its answer before anything else is read."""
        self._slow = True
        self.until = self._port.now() + WRITE_LIMIT

    def resume_writing(self) -> None:
        """Go on: the answer is taken."""
        self._slow = False
        if self._state is CLOSING:
            self.until = self._port.now() + LINGER
        elif self._state is WRITING:
            self._rest()
            self._resume()

    def begin_handshake(self) -> None:
        """Note that a handshake has begun, which has the time of a request."""
        self._state, self.until = READING, self._port.now() + READ_LIMIT

    def end_handshake(self) -> None:
        """Note that it is over."""
        self._rest()

    def answer(self, answer: bytes, *, close: bool) -> None:
        """Send the answer of the request that was worked on."""
        if self._state is WORKING:
            self._send(answer, close=close)
            self._resume_if_idle()

    def fail(self, error: str) -> None:
        """End it, since TLS has found a fault; the alert is on its way."""
        self._port.malformed.note(error, self.remote)
        self._state, self.until = CLOSING, self._port.now() + LINGER
        self._transport.close()

    def cut(self) -> None:
        """End it at once."""
        self._transport.abort()

    def stop(self) -> None:
        """Wait no longer than a moment for another request."""
        if self._state in {IDLE, WRITING}:
            self.until = min(self.until, self._port.now() + LINGER)

    def overdue(self) -> None:
        """End it: its time is over."""
        if self._state is READING or self._slow:
            self._port.malformed.note("TooSlow", self.remote)
            self._transport.abort()
        elif self._state is CLOSING:
            self._transport.abort()
        else:
            self._transport.close()

    def _go_on(self, data: bytes) -> None:
        """Answer what has come, in its order, as far as that needs no waiting."""
        for _ in range(AT_A_TIME):
            data = self._begin(data)
            if not data or self._state is not IDLE:
                break
        self._hold(data)
        if self._waiting and self._state is IDLE:
            self._resume()

    def _hold(self, data: bytes) -> None:
        """Keep what has come too early; nothing more is read until its turn."""
        if data and self._state is not CLOSING:
            self._waiting += data
            self._transport.pause_reading()

    def _begin(self, data: bytes) -> bytes:
        """Begin with a request; return what has come beyond it."""
        port = self._port
        if port.at_once is not None:
            found = port.at_once.recall(data, self.remote, keeps=port.keeps())
            if isinstance(found, int):
                self._partial = data
                self._wait_for_rest()
                return b""
            if found is not None:
                answer, close, length = found
                self._send(answer, close=close)
                port.let_others()
                return b"" if close or length == len(data) else data[length:]
        self._reading = Reading()
        self._wait_for_rest()
        return self._take(self._reading, data)

    def _wait_for_rest(self) -> None:
        """Read on, for as long as a request may take from its first byte."""
        if self._state is IDLE:
            self._state, self.until = READING, self._port.now() + READ_LIMIT

    def _read(self, data: bytes) -> None:
        if self._partial:
            data, self._partial = self._partial + data, b""
            self._hold(self._begin(data))
        elif self._reading is not None:
            self._hold(self._take(self._reading, data))
        if self._state is IDLE:
            self._resume()

    def _take(self, reading: Reading, data: bytes) -> bytes:
        """Read on; once the request is whole, have it answered. Return what is beyond it."""
        try:
            sent = reading.take(data)
        except ParseError as error:
            self._refuse(error)
            return b""
        if sent is None:
            if reading.wants_word():
                self._transport.write(_CONTINUE)
            return b""
        self._reading, rest = None, reading.rest()
        self._work(sent, reading.raw, len(rest))
        return b"" if sent.closes else rest

    def _work(self, sent: Sent, raw: bytes | None, beyond: int) -> None:
        """Have a request answered: at once, or by a thread."""
        port, at_once = self._port, self._port.at_once
        if at_once is not None:
            raw = raw[:-beyond] if raw and beyond else raw
            found = at_once.answer(sent, raw, self.remote, keeps=port.keeps())
            if found is not None:
                self._send(found[0], close=found[1])
                port.let_others()
                return
        self._state, self.until = WORKING, math.inf
        port.work(self, sent)

    def _refuse(self, error: ParseError) -> None:
        """Answer what cannot be read; where the next request would begin is unknown."""
        reading, self._reading = self._reading, None
        self._send(self._port.malformed.refuse(error, self.remote, reading), close=True)

    def _send(self, answer: bytes, *, close: bool) -> None:
        self._transport.write(answer)
        if close:
            self._finish()
        elif self._slow:
            self._state = WRITING
        else:
            self._rest()

    def _finish(self) -> None:
        """Say that nothing more comes, and let the client close first."""
        self._waiting, self._state = b"", CLOSING
        self.until = self._port.now() + (WRITE_LIMIT if self._slow else LINGER)
        if self._ended:
            self._transport.close()
        else:
            self._transport.write_eof()
            self._transport.resume_reading()

    def _rest(self) -> None:
        """Wait for the next request."""
        self._state = IDLE
        self.until = self._port.now() + (LINGER if self._port.stopping else IDLE_LIMIT)

    def _resume(self) -> None:
        """Go on with what has come meanwhile, once others have had their turn."""
        if self._waiting:
            self._port.loop.call_soon(self._catch_up)
        elif self._ended:
            self._transport.close()
        else:
            self._transport.resume_reading()

    def _catch_up(self) -> None:
        if self._state is IDLE:
            data, self._waiting = self._waiting, b""
            self._go_on(data)
            if not self._waiting:
                self._resume_if_idle()
        if self._is(READING):
            self._transport.resume_reading()

    def _resume_if_idle(self) -> None:
        if self._state is IDLE:
            self._resume()

    def _is(self, state: State) -> bool:
        return self._state is state
