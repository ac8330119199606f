"""One connection: what has come is read, and answered in its order."""

import math
from typing import TYPE_CHECKING

from gunicorn.asgi.parser import ParseError

from broker.web.client import CLOSING, IDLE, READING, WORKING, Client
from broker.web.heads import END, METHODS
from broker.web.reading import BrokenBodyError, Reading, Sent

if TYPE_CHECKING:
    from broker.web.serving import ServedPort

AT_A_TIME = 16
"""Requests of one connection that are answered before others have their turn."""
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connection(Client):
    """Reads what a client of ``port`` asks, and has it answered."""

    __slots__ = ("_partial", "_reading", "_waiting")

    def __init__(self, port: "ServedPort") -> None:
        super().__init__(port)
        self._reading: Reading | None = None
        # A form that is not whole yet, with a head that was met before.
        self._partial = b""
        # What came before its turn.
        self._waiting = b""

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._reading, self._partial, self._waiting = None, b"", b""
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        if self._state is IDLE and not self._waiting:
            if self._port.late and data.startswith(METHODS):
                self._waiting = data
                self._port.wait_for_turn(self)
                return
            rest = self._begin(data)
            if rest:
                self._go_on(rest)
        elif self._state is READING:
            self._read(data)
        elif self._state is CLOSING:
            self._drop(data)
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
        elif self._state in {IDLE, READING, CLOSING} and not self._waiting:
            self._transport.close()
        return True

    def answer(self, answer: bytes, *, close: bool) -> None:
        """Send the answer of the request that was worked on."""
        if self._state is WORKING:
            self._send(answer, close=close)
            self._resume()

    def _go_on(self, data: bytes) -> None:
        """Answer what else has come, in its order, as far as that needs no waiting."""
        for _ in range(AT_A_TIME - 1):
            if not data or self._state is not IDLE:
                break
            data = self._begin(data)
        self._hold(data)
        if self._waiting:
            self._resume()

    def _hold(self, data: bytes) -> None:
        """Keep what has come too early; nothing more is read until its turn."""
        if data and self._state is not CLOSING:
            self._waiting += data
            self._transport.pause_reading()

    def _begin(self, data: bytes) -> bytes:
        """Begin with a request; return what has come beyond it."""
        port, at_once = self._port, self._port.at_once
        if at_once is not None:
            if not port.in_turn:
                port.begin_turn(at_once)
            remote = self._remote(data) if port.behind_proxies else self.remote
            found = at_once.recall(data, remote, keeps=port.kept)
            if isinstance(found, tuple):
                answer, close, length = found
                self._send(answer, close=close)
                return b"" if length == len(data) else data[length:]
            if found is not None:
                self._partial = data
                self._wait_for_rest()
                return b""
        self._reading = Reading()
        self._wait_for_rest()
        return self._take(self._reading, data)

    def _remote(self, data: bytes) -> str:
        """Return who asks by the head that ``data`` begins with."""
        return self._port.proxies.client_in(self.remote, data.partition(END)[0] + END)

    def _read(self, data: bytes) -> None:
        if self._partial:
            data, self._partial = self._partial + data, b""
            self._hold(self._begin(data))
        elif self._reading is not None:
            self._hold(self._take(self._reading, data))
        self._resume()

    def _take(self, reading: Reading, data: bytes) -> bytes:
        """Read on; once the request is whole, have it answered. Return what is beyond it."""
        try:
            sent = reading.take(data)
        except ParseError as error:
            self._refuse(error)
            return b""
        if sent is None:
            if reading.raw is None and not self._port.has_room_for(self):
                self._port.malformed.note("TooMany", self.remote)
                self.cut()
            elif reading.wants_word():
                self._transport.write(_CONTINUE)
            return b""
        self._reading, rest = None, reading.rest()
        self._port.long.discard(self)
        self._work(sent, reading.raw, len(rest))
        return b"" if sent.closes else rest

    def _work(self, sent: Sent, raw: bytes | None, beyond: int) -> None:
        """Have a request answered: at once, or by a thread."""
        port, at_once = self._port, self._port.at_once
        if at_once is not None:
            raw = raw[:-beyond] if raw and beyond else raw
            if not port.in_turn:
                port.begin_turn(at_once)
            remote = port.proxies.client_of(self.remote, sent.headers)
            found = at_once.answer(sent, raw, remote, keeps=port.kept)
            if found is not None:
                self._send(found[0], close=found[1])
                return
        self._state, self.until = WORKING, math.inf
        port.work(self, sent)

    def _refuse(self, error: ParseError) -> None:
        """Answer what cannot be read; where the next request would begin is unknown."""
        reading, self._reading = self._reading, None
        if self._port.at_once is not None:
            self._port.at_once.count()  # the audit has its lines in their order
        headers = reading.begun[2] if reading else []
        remote = self._port.proxies.client_of(self.remote, headers)
        self._send(self._port.malformed.refuse(error, remote, reading), close=True)

    def _finish(self) -> None:
        self._waiting = b""
        self._port.long.discard(self)
        super()._finish()

    def _resume(self) -> None:
        """Go on with what has come meanwhile, once others have had their turn."""
        if self._state is not IDLE:
            return
        if self._waiting:
            self._port.loop.call_soon(self.catch_up)
        elif self._ended:
            self._transport.close()
        else:
            self._transport.resume_reading()

    def catch_up(self) -> None:
        """Go on with what has come too early."""
        if self._state is IDLE and self._waiting:
            data, self._waiting = self._waiting, b""
            self._go_on(self._begin(data))
            if not self._waiting:
                self._resume()
        self._read_on()

    def _read_on(self) -> None:
        if self._state is READING:
            self._transport.resume_reading()
