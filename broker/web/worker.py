"""gunicorn's threaded worker, in which no client holds a thread for long, and few work at once.

A connection waits in the main loop for its first byte, for the client's part of a TLS handshake,
and for the client to close it. What takes too long there or on a thread is cut by the main loop,
which looks each second. While the application works on a request nothing is cut: it has limits of
its own.

Python runs one thread at a time. Under more load than it can serve, hundreds of threads would take
turns, and each request would last as long as all of them together; so only a few are let go at
once, and the rest wait in the order in which they came. What has not ended within a moment waits
for something else, a refresh or a slow client, and does not count: threads there are enough.
"""

import logging
import math
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from io import BytesIO
from selectors import EVENT_READ
from time import monotonic
from typing import Any

from gunicorn.http.parser import RequestParser

from broker.web.answer import wire
from broker.web.express import ExpressLane
from broker.web.handshake import UNFINISHED, HandshakeWorker
from broker.web.lingering import LINGER
from broker.web.malformed import (
    MALFORMED,
    MalformedRequests,
    NamedRequest,
    about,
    has_body,
    read_body,
)
from broker.web.pod_worker import HELD_BACK
from broker.web.pool import Ended, Pool
from broker.web.shortcut import asked_of

READ_LIMIT = 10.0
"""Seconds from a connection's first byte, or its next request's, to the end of that request."""
WRITE_LIMIT = 10.0
"""Seconds for a client to take the answer."""
GRACE = 0.1
"""Seconds to read for a connection that had to wait for a thread longer than ``READ_LIMIT``."""
LOOK = 1.0
"""Seconds between two looks at all connections on threads, at most."""
AT_ONCE = 8
"""Requests that are worked on at once, without those that have taken longer than ``MOMENT``."""
MOMENT = 0.005
"""Seconds; nearly every request takes less than a tenth of it."""
_log = logging.getLogger(__name__)

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class BrokerWorker(HandshakeWorker):
    """Bounds what a slow client may cost, and answers what is not HTTP in the product's way."""

    malformed: MalformedRequests
    """Answers what cannot be read; the application's."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        RequestParser.mesg_class = NamedRequest
        self._pool = Pool(self.cfg.threads)
        # One entry for each thread that is busy; a dictionary's single steps need no lock.
        self._busy: dict[int, tuple[Any, float]] = {}
        self._next_look = 0.0
        # Only the main loop knows these: what waits for its turn, and since when what had it has.
        self._waiting: deque[Any] = deque()
        self._begun: dict[Any, float] = {}

    def get_thread_pool(self) -> Any:
        """Return where requests are worked on."""
        return self._pool

    def load_wsgi(self) -> None:
        """Load the application and stand in front of it."""
        super().load_wsgi()
        self.stand_before(self.wsgi)

    def stand_before(self, app: Any) -> None:
        """Serve a Flask application, which is nobody else's."""
        self.wsgi = app
        self.lane = app.wsgi_app if isinstance(app.wsgi_app, ExpressLane) else None
        self.malformed = app.extensions[MALFORMED]
        app.wsgi_app = self._between(app.wsgi_app)

    def _between(self, application: Application) -> Application:
        """Return the application, called when the body is there; no clock runs meanwhile."""

        def call(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            environ["wsgi.input"] = BytesIO(read_body(environ) if has_body(environ) else b"")
            with self._no_clock():
                return application(environ, start_response)

        return call

    @contextmanager
    def _no_clock(self) -> Iterator[None]:
        """Let no clock of a client run; afterwards that of taking the answer."""
        thread = threading.get_ident()
        conn, _ = self._busy[thread]
        self._busy[thread] = conn, math.inf
        try:
            yield
        finally:
            self._busy[thread] = conn, monotonic() + WRITE_LIMIT

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Answer a request; a plain one without WSGI. Return whether to keep the connection."""
        lane, asked = self.lane, asked_of(req, req.uri, conn.client)
        if lane is None or asked is None:
            return super().handle_request(req, conn)
        self.nr += 1
        with self._no_clock():
            answer = lane.answer(asked)
        full = len(self.keepalived_conns) >= self.max_keepalived
        close = full or not self.alive or req.should_close()
        conn.sock.sendall(wire(req.version, *answer, close=close))
        return not close

    def enqueue_req(self, conn: Any) -> None:
        """Give a connection to a thread, a new one only when its first byte is there."""
        if conn.initialized or conn.data_ready or not self.alive:
            conn.since = monotonic()
            self.take_turn(conn)
            return
        conn.sock.settimeout(0)
        conn.timeout = monotonic() + self.cfg.keepalive
        self.pending_conns.append(conn)
        ready = partial(self.on_pending_socket_readable, conn)
        self.poller.register(conn.sock, EVENT_READ, ready)

    def take_turn(self, conn: Any) -> None:
        """Let a connection wait for its turn, with what time it has."""
        self._waiting.append(conn)
        self.let_go()

    def let_go(self) -> None:
        """Give those whose turn it is to threads."""
        if not self._waiting:
            return
        now, begun = monotonic(), self._begun
        while begun and (oldest := next(iter(begun.items())))[1] < now - MOMENT:
            del begun[oldest[0]]
        while self._waiting and len(begun) < AT_ONCE:
            conn = self._waiting.popleft()
            begun[conn] = now
            self._pool.give(partial(self._work, conn, self.handle))

    def give_rest(self, conn: Any, rest: bytes, *, keep: bool) -> None:
        """Let a thread send the rest of an answer, within the time for that."""
        self._pool.give(partial(self._work, conn, partial(self._send_rest, rest, keep=keep)))

    def _send_rest(self, rest: bytes, conn: Any, *, keep: bool) -> bool:
        thread = threading.get_ident()
        self._busy[thread] = conn, monotonic() + WRITE_LIMIT
        try:
            conn.sock.settimeout(None)
            conn.sock.sendall(rest)
        except OSError:
            return False
        else:
            return keep
        finally:
            del self._busy[thread]

    def _work(self, conn: Any, handle: Callable[[Any], Any]) -> None:
        """Work on a connection and hand it back to the main loop; runs in a thread."""
        ended = Ended()
        try:
            ended.keep = handle(conn)
        except BaseException as error:  # noqa: BLE001  # a thread that ended would be missing
            _log.error("request.crashed", extra=about(type(error).__name__, conn.client))
        self.method_queue.defer(self.finish_request, conn, ended)

    def handle(self, conn: Any) -> Any:
        """Handle one request; runs in a thread, within the limits."""
        thread = threading.get_ident()
        self._busy[thread] = conn, max(conn.since + READ_LIMIT, monotonic() + GRACE)
        try:
            shaken = conn.initialized or not self.cfg.is_ssl or self.shake_hands(conn)
            return super().handle(conn) if shaken is True else shaken
        finally:
            del self._busy[thread]

    def wait_for_and_dispatch_events(self, timeout: float | None) -> None:
        """Wait for events; look after slow clients each second, or when one's time is over."""
        now = monotonic()
        if now >= self._next_look:
            self._next_look = now + self._cut_slow(now)
            self.end_lingering(now)
        self.let_go()
        most = min(self._next_look - now, MOMENT if self._waiting else LOOK)
        most = min(most, HELD_BACK if self.held_back else LOOK)
        super().wait_for_and_dispatch_events(most if timeout is None else min(timeout, most))

    def _cut_slow(self, now: float) -> float:
        """Cut the connections whose time is over; return seconds to the next look."""
        busy = [*self._busy.values(), *self.handshakes.items()]
        for conn, until in busy:
            if until < now:
                _cut(conn)
        soonest = min((until for _, until in busy), default=math.inf)
        return min(max(soonest - now, GRACE), LOOK)

    def murder_pending(self) -> None:
        """Close what never sent a byte; a stopping worker does not wait for it."""
        if not self.alive:
            until = monotonic() + LINGER
            for conn in self.pending_conns:
                conn.timeout = min(conn.timeout or until, until)
        super().murder_pending()

    def finish_request(self, conn: Any, fs: Any) -> None:
        """Keep or close a connection; runs in the main loop, which must not wait for a client."""
        self._pool.take_back()
        self._begun.pop(conn, None)
        self.let_go()
        result = fs.result()
        if result is UNFINISHED:
            self.wait_for_client(conn, conn.since + READ_LIMIT)
        elif not result:
            self.linger(conn)
        elif isinstance(conn.sock, ssl.SSLSocket) and conn.sock.pending():
            self.enqueue_req(conn)  # the next request, deciphered already: no socket event tells it
        else:
            super().finish_request(conn, fs)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Any) -> None:
        """Answer a request that could not be read; neither answer nor log repeat any of it."""
        self.malformed.refuse(client, addr, exc, req)


def _cut(conn: Any) -> None:
    with suppress(OSError):
        # Not the method of a TLS socket, which would go on in the clear.
        socket.socket.shutdown(conn.sock, socket.SHUT_RDWR)
        _log.info("request.malformed", extra=about("TooSlow", conn.client))
