"""TLS handshakes that hold no thread while they wait for the client."""

import ssl
from abc import abstractmethod
from functools import partial
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any

from gunicorn.http import get_parser
from gunicorn.sock import ssl_wrap_socket

from broker.web.prompt import PromptWorker

UNFINISHED = object()
"""What the handling of a connection returns while the client has to go on with the handshake."""


class HandshakeWorker(PromptWorker):
    """Threads work on handshakes, which cost time; for the client's part the main loop waits."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.handshakes: dict[Any, float] = {}
        """Connections whose client has to go on, and until when; the main loop's alone."""

    @abstractmethod
    def take_turn(self, conn: Any) -> None:
        """Let a connection that is on no poller wait for its turn on a thread."""

    def shake_hands(self, conn: Any) -> object:
        """Go on with the handshake of a connection as far as it gets without waiting.

        Returns True when it is done and the connection can be read, :data:`UNFINISHED`, or False
        when it failed.
        """
        try:
            return self._go_on(conn)
        except ssl.SSLError as error:
            self.handle_error(None, conn.sock, conn.client, error)
        except OSError:
            pass  # the client is gone
        return False

    def _go_on(self, conn: Any) -> object:
        conn.sock.settimeout(0)
        if not isinstance(conn.sock, ssl.SSLSocket):
            conn.sock = ssl_wrap_socket(conn.sock, self.cfg)
        try:
            conn.sock.do_handshake()
        except ssl.SSLWantReadError:
            conn.awaited = EVENT_READ
            return UNFINISHED
        except ssl.SSLWantWriteError:
            conn.awaited = EVENT_WRITE
            return UNFINISHED
        conn.initialized, conn.parser = True, get_parser(self.cfg, conn.sock, conn.client)
        return True

    def wait_for_client(self, conn: Any, until: float) -> None:
        """Wait for the client's part; whoever looks at ``handshakes`` cuts it then."""
        self.handshakes[conn] = until
        self.poller.register(conn.sock, conn.awaited, partial(self._resume, conn))

    def _resume(self, conn: Any, client: Any) -> None:
        self.poller.unregister(client)
        del self.handshakes[conn]
        self.take_turn(conn)
