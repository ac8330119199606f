"""The werkzeug server, taught to hang up, to stop at once and to log no query."""

import logging
import re
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_log = logging.getLogger("broker.emulator")
_TROUBLE = "a request could not be read or answered"
_PATH = re.compile(r"[\w/.-]*", re.ASCII)  # an escaped "?" begins a query for some proxies
_BACKLOG = 128


class Handler(WSGIRequestHandler):
    """Answers one request per connection."""

    def send_response(self, code: int, message: str | None = None) -> None:
        """Send the status line alone: ``Date`` is Canvas's own, and may be wrong on purpose."""
        self.log_request(code)
        self.send_response_only(code, message)

    def connection_dropped(self, *_: object, **__: object) -> None:
        """Close the connection; werkzeug would wait for another request on it."""
        self.close_connection = True

    def log_request(self, code: int | str = "-", *_: object, **__: object) -> None:
        """Log method, path and status; the query holds a refresh token."""
        path = _PATH.match(getattr(self, "path", "-"))
        _log.info("%s %s %s", self.command, path and path[0], code)

    def log(self, *_: object, **__: object) -> None:
        """Log that something was wrong with a request; what it was may quote the query."""
        _log.warning(_TROUBLE)


class Server(ThreadedWSGIServer):
    """Serves an application on a socket that listens already; knows its connections."""

    def __init__(self, listener: socket.socket, app: "WSGIApplication") -> None:
        host, port = listener.getsockname()[:2]
        self._connections: dict[Any, threading.Thread] = {}
        self._lock = threading.Lock()
        super().__init__(host, port, app, Handler, fd=listener.fileno())

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer a connection on a thread of its own, which :meth:`hang_up` can end."""
        thread = threading.Thread(
            target=self.process_request_thread,
            args=(request, client_address),
            name="canvas emulator call",
            daemon=True,
        )
        with self._lock:
            self._connections[request] = thread
        thread.start()

    def shutdown_request(self, request: Any) -> None:
        """Close a connection and forget it."""
        super().shutdown_request(request)
        with self._lock:
            self._connections.pop(request, None)

    def handle_error(self, *_: object, **__: object) -> None:
        """Log that a connection ended badly, without a traceback that may quote the query."""
        _log.warning(_TROUBLE)

    def log(self, *_: object, **__: object) -> None:
        """Log that something was wrong, in words of our own."""
        _log.warning(_TROUBLE)

    def hang_up(self) -> list[threading.Thread]:
        """Close all connections; return the threads that still work on their calls."""
        with self._lock:
            connections = dict(self._connections)
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        return list(connections.values())


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there (port 0: any free one); raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
