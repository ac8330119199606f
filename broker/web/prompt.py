"""Plain requests answered in the main loop, where memory alone can tell the answer.

No thread is woken for them and no connection leaves the poller: that is most of what a small
request costs a threaded server. What is no whole plain request, or would have to wait for anything,
goes to a thread with all its bytes.
"""

import math
import re
import ssl
from abc import abstractmethod
from functools import partial
from selectors import EVENT_READ
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader

from broker.web.answer import wire
from broker.web.express import ExpressLane
from broker.web.pod_worker import PodWorker
from broker.web.shortcut import asked_of

if TYPE_CHECKING:
    from collections import deque

TURN = 0.005
"""Seconds for which answers are given without a look at what else is to be done, at most."""
PAUSE = 0.000_001
"""Seconds of a pause; the kernel makes some fifty microseconds of them."""
DRIFT = 1.0
"""Seconds by which a silent connection may be closed too late: queueing anew has its price."""
ACCEPTED = 16
"""Connections that are accepted one after the other, at most."""
_PIECE = 8192
_GET, _POST, _END = b"GET /token", b"POST /token ", b"\r\n\r\n"
_WITH_QUERY = re.compile(rb"GET (/token\?[A-Za-z0-9._=-]*)(?= HTTP/1\.[01]\r\n)")
_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class PromptWorker(PodWorker):
    """Answers what needs no thread; everything else is the threads'.

    ``lane`` gives the answers; without one, all go to threads.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lane: ExpressLane | None = None
        self._paused = 0.0

    @abstractmethod
    def give_rest(self, conn: Any, rest: bytes, *, keep: bool) -> None:
        """Let a thread send the rest of an answer on a connection that is on no poller."""

    @abstractmethod
    def let_go(self) -> None:
        """Give those that wait, and whose turn it is, to threads."""

    def on_client_socket_readable(self, conn: Any, client: Any) -> None:
        """Go on with a connection that was kept."""
        if not self._is_done_with(conn, self.keepalived_conns):
            super().on_client_socket_readable(conn, client)

    def on_pending_socket_readable(self, conn: Any, client: Any) -> None:
        """Begin with a new connection."""
        if not self._is_done_with(conn, self.pending_conns):
            super().on_pending_socket_readable(conn, client)

    def accept(self, listener: Any) -> None:
        """Accept who waits, some at a time: other workers want some as well.

        What they ask has often come with them, and need not wait until all others are served.
        """
        for _ in range(ACCEPTED):
            before = self.nr_conns
            super().accept(listener)
            if self.nr_conns == before:
                break
            if self.lane is not None and self.alive and not self.cfg.is_ssl:
                newest = self.pending_conns[-1]
                self.on_pending_socket_readable(newest, newest.sock)
            if self.nr_conns >= self.worker_connections:
                break

    def _is_done_with(self, conn: Any, queue: "deque[Any]") -> bool:
        """Answer what came on a connection of ``queue``, else leave it to a thread."""
        lane = self.lane
        if lane is None or not self.alive or (self.cfg.is_ssl and not conn.initialized):
            return False
        if not conn.initialized:
            conn.init()
            conn.sock.settimeout(0)
        try:
            data = conn.sock.recv(_PIECE)
        except _NOT_NOW:
            return True
        except ssl.SSLError:
            return False
        except OSError:
            data = b""
        if not data:
            self._leave(conn, queue)
            self.linger(conn)
            return True
        others = len(self.keepalived_conns) - (queue is self.keepalived_conns)
        answer = self._answer(lane, conn, data, full=others >= self.max_keepalived)
        if answer is None:
            conn.parser.unreader.unread(data)
            return False
        self.nr += 1
        self._send(conn, queue, *answer)
        if monotonic() - self._paused > TURN:
            self._let_others()
        return True

    def _answer(
        self, lane: ExpressLane, conn: Any, data: bytes, *, full: bool
    ) -> tuple[bytes, bool] | None:
        """Return the bytes of an answer and whether the connection is kept; None for a thread."""
        head, end, body = data.partition(_END)
        if not end or not (head.startswith(_POST) or (head.startswith(_GET) and not body)):
            return None
        uri, head = without_query(head)
        try:
            req: Any = Request(self.cfg, IterUnreader([head + end]), conn.client)
            asked = asked_of(req, uri or req.uri, conn.client, body)
            found = None if asked is None else lane.at_once(asked)
        except Exception:  # noqa: BLE001  # a thread will find the same, and answer it
            return None
        if found is None:
            return None
        close = full or req.should_close()
        return wire(req.version, *found, close=close), not close

    def _send(self, conn: Any, queue: "deque[Any]", answer: bytes, keep: bool) -> None:  # noqa: FBT001  # from a pair
        try:
            sent = conn.sock.send(answer)
        except _NOT_NOW:
            sent = 0
        except OSError:
            sent, keep = len(answer), False
        if sent == len(answer) and keep and not _has_more(conn):
            self._keep(conn, queue)
            return
        self._leave(conn, queue)
        if sent < len(answer):
            self.give_rest(conn, answer[sent:], keep=keep)
        elif keep:
            self.enqueue_req(conn)
        else:
            self.linger(conn)

    def _keep(self, conn: Any, queue: "deque[Any]") -> None:
        """Keep a connection; those that are closed next stand first, but for :data:`DRIFT`."""
        conn.set_timeout()
        if queue is not self.keepalived_conns:
            ready = partial(self.on_client_socket_readable, conn)
            self.poller.modify(conn.sock, EVENT_READ, ready)
        elif conn.timeout - getattr(conn, "placed", 0.0) <= DRIFT:
            return
        queue.remove(conn)
        conn.placed = conn.timeout
        self.keepalived_conns.append(conn)

    def _leave(self, conn: Any, queue: "deque[Any]") -> None:
        self.poller.unregister(conn.sock)
        queue.remove(conn)

    def _let_others(self) -> None:
        """Let other threads have the interpreter; take back what they have done; let clients in.

        Who sends and receives lets go of the interpreter each time, and has it back before a thread
        that waits has woken. And a turn in which hundreds are answered would leave all others, and
        whoever connects, outside for as long.
        """
        self._paused = math.inf
        sleep(PAUSE)
        self.method_queue.run_callbacks(None)
        self.let_go()
        if self.nr_conns < self.worker_connections:
            for listener in self.sockets:
                self.accept(listener)
        self._paused = monotonic()


def without_query(head: bytes) -> tuple[str, bytes]:
    """Return the URI of a ``GET /token`` whose query is plain, and the head without the query.

    The parser takes a URI apart with the standard library, which remembers the last hundred and
    takes microseconds for any other. Of any other head the URI is empty, and nothing is left out.
    """
    match = _WITH_QUERY.match(head)
    if match is None:
        return "", head
    return str(match[1], "ascii"), _GET + head[match.end(1) :]


def _has_more(conn: Any) -> bool:
    """Tell whether the next request is deciphered already: no socket event would tell it."""
    return isinstance(conn.sock, ssl.SSLSocket) and conn.sock.pending() > 0
