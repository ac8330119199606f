"""TLS between a connection and its socket, by the standard library's ``SSLObject``.

asyncio has TLS of its own, which keeps a quarter of a megabyte for each connection and cannot say
goodbye without closing.
"""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from broker.web.client import Receiver
from broker.web.connection import Connection

_PIECE = 65536
_NOT_NOW = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Secured(Receiver):
    """The protocol of a socket with TLS, and the transport of the connection that it carries.

    A handshake costs as much as a hundred answers: it is gone on with when ``take_turn`` says.
    """

    __slots__ = (
        "_connection",
        "_in",
        "_out",
        "_ready",
        "_take_turn",
        "_tls",
        "_transport",
        "_waits",
    )

    def __init__(
        self,
        connection: Connection,
        context: ssl.SSLContext,
        take_turn: Callable[[Callable[[], object]], object],
    ) -> None:
        self._connection = connection
        self._take_turn = take_turn
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)
        self._transport: Any = None
        self._ready = self._waits = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = transport
        self._connection.connection_made(self)  # type: ignore[arg-type]  # as much of one as it uses

    def data_received(self, data: bytes) -> None:
        """Take what has come: of the handshake, or of what it protects."""
        self._in.write(data)
        if self._ready:
            self._decipher()
        elif not self._waits:
            self._waits = True
            self._connection.begin_handshake()
            self._take_turn(self._go_on)

    def eof_received(self) -> bool:
        """Note that nothing more comes."""
        if not self._ready:
            self._transport.close()
            return True
        return self._connection.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell of it."""
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        """Tell of it."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """Tell of it."""
        self._connection.resume_writing()

    def _go_on(self) -> None:
        self._waits = False
        if self._connection.is_there:
            self._shake_hands()
            if self._ready:
                self._decipher()

    def _shake_hands(self) -> None:
        try:
            self._tls.do_handshake()
        except _NOT_NOW:
            self._flush()
        except ssl.SSLError as error:
            self._flush()  # an alert
            self._connection.fail(type(error).__name__)
        else:
            self._ready = True
            self._flush()
            self._connection.end_handshake()

    def _decipher(self) -> None:
        ended, pieces = False, []
        try:
            while piece := self._tls.read(_PIECE):
                pieces.append(piece)
            ended = True
        except _NOT_NOW:
            pass
        except ssl.SSLZeroReturnError:
            ended = True
        except ssl.SSLError as error:
            self._connection.fail(type(error).__name__)
            return
        if pieces:
            self._connection.data_received(b"".join(pieces))
        if ended:
            self._connection.eof_received()
        self._flush()  # an answer to a change of keys

    def _flush(self) -> None:
        if self._out.pending:
            self._transport.write(self._out.read())

    # What a connection asks of its transport.

    def get_extra_info(self, name: str) -> Any:
        """Return what the socket tells."""
        return self._transport.get_extra_info(name)

    def set_write_buffer_limits(self, high: int) -> None:
        """Say how much may wait for the client."""
        self._transport.set_write_buffer_limits(high)

    def write(self, data: bytes) -> None:
        """Send, enciphered."""
        with suppress(ssl.SSLError):  # the client said that it takes nothing more
            self._tls.write(data)
        self._flush()

    def write_eof(self) -> None:
        """Say that nothing more comes: in TLS, then to the socket."""
        self._say_goodbye()
        self._transport.write_eof()

    def pause_reading(self) -> None:
        """Read nothing for a while."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        self._transport.resume_reading()

    def close(self) -> None:
        """Say goodbye and close, once all is sent."""
        self._say_goodbye()
        self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def _say_goodbye(self) -> None:
        if self._ready:
            with suppress(ssl.SSLError, ValueError):
                self._tls.unwrap()
            self._flush()
