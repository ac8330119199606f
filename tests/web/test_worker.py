"""No client holds a thread for long, the main loop waits for nobody, and real work is not cut."""

import logging
import math
import selectors
import socket
import threading
from collections.abc import Iterable, Iterator
from functools import partial
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.workers import gthread
from gunicorn.workers.gthread import TConn, ThreadWorker

from broker.web import lingering
from broker.web import worker as module
from broker.web.lingering import LINGER
from broker.web.malformed import MALFORMED, MalformedRequests
from broker.web.pod_worker import HELD_BACK
from broker.web.pool import Ended
from broker.web.worker import (
    AT_ONCE,
    GRACE,
    LOOK,
    MOMENT,
    READ_LIMIT,
    WRITE_LIMIT,
    BrokerWorker,
)
from tests.web.rig import Rig as Edge

pytestmark = pytest.mark.sockets


class Clock:
    """A monotonic clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Put a clock into the worker, and into what it is made from."""
    clock = Clock()
    monkeypatch.setattr(module, "monotonic", clock)
    monkeypatch.setattr(lingering, "monotonic", clock)
    monkeypatch.setattr(gthread, "time", SimpleNamespace(monotonic=clock))
    return clock


class Rig:
    """A worker that does not run, and both ends of a connection to it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        cfg = Config()
        cfg.set("keepalive", 75)
        self.worker = BrokerWorker(0, 0, [], SimpleNamespace(), 30, cfg, logging.getLogger())
        self.worker.poller = selectors.DefaultSelector()
        near, self.caller = socket.socketpair()
        self.conn: Any = TConn(cfg, near, ("203.0.113.9", 1), ("127.0.0.1", 80))
        self.worker.nr_conns = 1
        self.queued: list[Any] = []

    def turn(self) -> None:
        """Let the main loop turn once, without waiting for anything to happen."""
        self.worker.wait_for_and_dispatch_events(0.0)

    def finish(self, result: object) -> None:
        """Say that a thread is done with the connection."""
        ended = Ended()
        ended.keep = result
        self.worker.finish_request(self.conn, ended)

    def is_open(self) -> bool:
        """Tell whether the caller may go on."""
        self.caller.settimeout(0)
        try:
            return self.caller.recv(100) != b""
        except BlockingIOError:
            return True

    def close(self) -> None:
        """Close what is open."""
        self.caller.close()
        self.conn.sock.close()
        self.worker.poller.close()
        self.worker.tmp.close()


@pytest.fixture
def rig(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """Make one; what it would give to a thread is kept."""
    rig = Rig(clock)
    # The work is the worker's own method, bound to the connection.
    monkeypatch.setattr(rig.worker._pool, "give", lambda work: rig.queued.append(work.args[0]))
    yield rig
    rig.close()


def test_the_limits() -> None:
    """As they are documented."""
    assert (READ_LIMIT, WRITE_LIMIT, LOOK, LINGER) == (10.0, 10.0, 1.0, 2.0)


def test_a_new_connection_waits_in_the_main_loop(rig: Rig) -> None:
    """It gets a thread when its first byte is there."""
    rig.worker.enqueue_req(rig.conn)
    rig.turn()
    assert rig.queued == []
    rig.caller.send(b"G")
    rig.turn()
    assert rig.queued == [rig.conn]
    assert not rig.worker.pending_conns


def test_a_known_connection_gets_a_thread_at_once(rig: Rig) -> None:
    """Its next request is there already."""
    rig.conn.initialized = True
    rig.worker.enqueue_req(rig.conn)
    assert rig.queued == [rig.conn]


def test_a_stopping_worker_does_not_wait_for_first_bytes(rig: Rig, clock: Clock) -> None:
    """Those that wait already get as long as those kept alive."""
    rig.worker.enqueue_req(rig.conn)
    rig.worker.murder_pending()
    assert rig.conn.timeout == clock.now + 75
    rig.worker.alive = False
    rig.worker.murder_pending()
    assert rig.conn.timeout == clock.now + LINGER
    clock.now += 1
    rig.worker.murder_pending()
    assert rig.conn.timeout == clock.now + LINGER - 1


class Handling:
    """A thread of the worker in the middle of a request, stopped where the test wants it."""

    def __init__(self, rig: Rig, monkeypatch: pytest.MonkeyPatch, waited: float = 0.0) -> None:
        self.rig = rig
        self._go, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        self._call = rig.worker._between(self._application)
        monkeypatch.setattr(ThreadWorker, "handle", self._handle)
        rig.conn.since = rig.clock.now - waited
        self._thread = threading.Thread(target=rig.worker.handle, args=[rig.conn], daemon=True)
        self._thread.start()
        self._stopped.acquire()

    def _handle(self, *_: object) -> bool:
        self._pause()  # reading the head
        for _piece in self._call({"wsgi.input": BytesIO()}, None):
            self._pause()  # writing the answer
        return False

    def _application(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self._pause()  # working on the request
        return [b"answer"]

    def _pause(self) -> None:
        self._stopped.release()
        self._go.acquire()

    def go_on(self) -> None:
        """Let it come to the next stop."""
        self._go.release()
        self._stopped.acquire()

    def end(self) -> None:
        """Let it end from its last stop."""
        self._go.release()
        self._thread.join(5)
        assert self.rig.worker._busy == {}


def test_reading_is_bounded(
    rig: Rig, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The connection is cut after the limit, with one quiet line."""
    caplog.set_level(logging.DEBUG)
    handling = Handling(rig, monkeypatch)
    clock.now += READ_LIMIT
    rig.turn()
    assert rig.is_open()
    clock.now += LOOK
    rig.turn()
    assert not rig.is_open()
    (record,) = caplog.records
    assert (record.levelname, record.message) == ("INFO", "request.malformed")
    assert record.__dict__["error"] == "TooSlow"
    handling.go_on()
    handling.go_on()
    handling.end()


def test_work_is_not_cut_and_writing_is_bounded(
    rig: Rig, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However late the application is called and however long it takes, writing has its own."""
    handling = Handling(rig, monkeypatch)
    clock.now += READ_LIMIT - 1
    handling.go_on()
    clock.now += 100
    rig.turn()
    assert rig.is_open()
    handling.go_on()
    clock.now += WRITE_LIMIT
    rig.turn()
    assert rig.is_open()
    clock.now += LOOK
    rig.turn()
    assert not rig.is_open()
    handling.end()


def test_time_in_the_queue_counts(rig: Rig, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a queue of slow clients would have the limit each, one after the other."""
    handling = Handling(rig, monkeypatch, waited=READ_LIMIT - 1)
    clock.now += 1 + LOOK
    rig.turn()
    assert not rig.is_open()
    handling.go_on()
    handling.go_on()
    handling.end()


def test_who_queued_for_too_long_may_still_be_read(
    rig: Rig, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its request has been there all the time, so a moment is enough."""
    handling = Handling(rig, monkeypatch, waited=READ_LIMIT * 2)
    clock.now += GRACE / 2
    rig.turn()
    assert rig.is_open()
    handling.go_on()
    handling.go_on()
    handling.end()


@pytest.mark.parametrize(
    ("left", "wait"),
    [([], LOOK), ([math.inf], LOOK), ([0.5, READ_LIMIT], 0.5), ([-1.0], GRACE), ([0.01], GRACE)],
)
def test_looks_are_rare(
    rig: Rig, clock: Clock, monkeypatch: pytest.MonkeyPatch, left: list[float], wait: float
) -> None:
    """The main loop turns thousands of times a second; it looks when somebody's time is over."""
    waits: list[float | None] = []
    monkeypatch.setattr(
        ThreadWorker, "wait_for_and_dispatch_events", lambda _, timeout: waits.append(timeout)
    )
    rig.worker._busy = {n: (rig.conn, clock.now + seconds) for n, seconds in enumerate(left)}
    rig.worker.wait_for_and_dispatch_events(1.0)
    rig.worker._busy = {0: (rig.conn, 0.0)}
    clock.now += wait / 2
    rig.worker.wait_for_and_dispatch_events(None)
    rig.worker.wait_for_and_dispatch_events(0.0)
    assert waits == [pytest.approx(wait), pytest.approx(wait / 2), 0.0]


def test_the_main_loop_does_not_wait_for_a_client_to_close(rig: Rig, clock: Clock) -> None:
    """It says that nothing more comes, and closes when the client does."""
    rig.finish(result=False)
    assert not rig.is_open()
    rig.caller.send(b"late")
    rig.turn()
    assert rig.worker.nr_conns == 1
    rig.caller.close()
    rig.turn()
    assert rig.worker.nr_conns == 0
    assert rig.conn.sock.fileno() == -1


@pytest.mark.parametrize("sent", [b"", b"x" * 100])
def test_a_client_that_does_not_close(rig: Rig, clock: Clock, sent: bytes) -> None:
    """After a while it is closed for it."""
    rig.finish(result=False)
    rig.caller.send(sent)
    rig.turn()
    clock.now += LINGER + LOOK
    rig.turn()
    assert rig.worker.nr_conns == 0
    assert rig.conn.sock.fileno() == -1


def test_a_client_that_sends_on(rig: Rig) -> None:
    """Much is thrown away for the sake of the answer, but not endlessly."""
    rig.finish(result=False)
    for _ in range(100):
        if rig.worker.nr_conns == 0:
            break
        rig.caller.send(b"x" * 4096)
        rig.turn()
    assert rig.worker.nr_conns == 0


def test_a_client_that_is_gone(rig: Rig) -> None:
    """It is closed at once, whatever had happened to its socket."""
    rig.conn.sock.close()
    rig.finish(result=False)
    assert rig.worker.nr_conns == 0


def test_a_thread_that_crashed(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its connection is closed like any other, and the log names the class of the error."""

    def fail(_: object, conn: object) -> None:
        raise RuntimeError("a secret")

    told: list[Any] = []
    monkeypatch.setattr(BrokerWorker, "handle", fail)
    monkeypatch.setattr(rig.worker.method_queue, "defer", lambda *call: told.append(call))
    rig.worker._work(rig.conn, rig.worker.handle)
    ((finish, conn, ended),) = told
    finish(conn, ended)
    assert not rig.is_open()
    (record,) = caplog.records
    assert (record.message, vars(record)["error"]) == ("request.crashed", "RuntimeError")


class Waiting:
    """A connection whose request is there."""

    initialized = data_ready = True


def many(rig: Rig, count: int) -> list[Any]:
    """Return connections whose requests are there."""
    conns = [Waiting() for _ in range(count)]
    for conn in conns:
        rig.worker.enqueue_req(conn)
    return conns


def end(rig: Rig, conn: Any) -> None:
    """Say that the request of a connection has ended; the connection goes on elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BrokerWorker, "linger", lambda _, conn: None)
        rig.worker.finish_request(conn, Ended())


def test_few_are_worked_on_at_once(rig: Rig) -> None:
    """The others have their turn in the order in which they came."""
    conns = many(rig, AT_ONCE + 3)
    assert rig.queued == conns[:AT_ONCE]
    end(rig, conns[AT_ONCE - 1])
    assert rig.queued == conns[: AT_ONCE + 1]
    rig.turn()
    assert rig.queued == conns[: AT_ONCE + 1]
    end(rig, conns[AT_ONCE])
    end(rig, conns[0])
    assert rig.queued == conns


def test_what_takes_longer_keeps_nobody(rig: Rig, clock: Clock) -> None:
    """It waits for a refresh, for Redis or for a slow client, not for the interpreter."""
    conns = many(rig, 3 * AT_ONCE + 1)
    clock.now += MOMENT * 1.01
    rig.turn()
    assert rig.queued == conns[: 2 * AT_ONCE]
    end(rig, conns[0])
    assert rig.queued == conns[: 2 * AT_ONCE]
    clock.now += MOMENT * 1.01
    rig.turn()
    assert rig.queued == conns[: 3 * AT_ONCE]
    end(rig, conns[3 * AT_ONCE - 1])
    assert rig.queued == conns


@pytest.mark.parametrize(("waiting", "longest"), [(0, LOOK), (1, MOMENT)])
def test_the_main_loop_looks_again_in_a_moment(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, waiting: int, longest: float
) -> None:
    """While somebody waits for a turn; else it sleeps until something happens."""
    slept: list[float] = []
    monkeypatch.setattr(
        ThreadWorker, "wait_for_and_dispatch_events", lambda _, timeout: slept.append(timeout)
    )
    many(rig, AT_ONCE + waiting)
    rig.worker.wait_for_and_dispatch_events(None)
    assert slept == [longest]


def test_a_connection_that_is_kept(rig: Rig, clock: Clock) -> None:
    """It goes back to wait for its next request."""
    rig.conn.parser = SimpleNamespace(unreader=SimpleNamespace(buf=BytesIO()))
    rig.finish(result=True)
    assert list(rig.worker.keepalived_conns) == [rig.conn]
    assert rig.is_open()


def test_the_application_gets_the_whole_body(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read before, within the limit of reading."""
    seen: list[bytes] = []

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        seen.append(environ["wsgi.input"].read())
        return []

    def load(worker: Any) -> None:
        worker.wsgi = SimpleNamespace(wsgi_app=application, extensions={MALFORMED: None})

    monkeypatch.setattr(ThreadWorker, "load_wsgi", load)
    rig.worker.load_wsgi()
    rig.worker._busy[threading.get_ident()] = rig.conn, 0.0
    app: Any = rig.worker.wsgi
    app.wsgi_app({"wsgi.input": BytesIO(b"hello"), "CONTENT_LENGTH": "5"}, None)
    assert seen == [b"hello"]


def test_errors_are_answered(rig: Rig) -> None:
    """As :mod:`broker.web.malformed` does."""
    rig.worker.malformed = MalformedRequests(Edge("acme").desk)
    rig.worker.handle_error(None, rig.conn.sock, ("203.0.113.9", 1), RuntimeError())
    assert rig.caller.recv(100).startswith(b"HTTP/1.1 503 ")


def test_no_connection_is_kept_while_the_pod_drains(rig: Rig) -> None:
    """From the next answer on, however many may be kept otherwise."""
    most = rig.worker.max_keepalived
    assert most == rig.worker.cfg.worker_connections - rig.worker.cfg.threads > 0
    rig.worker.is_draining = lambda: True
    assert rig.worker.max_keepalived == 0
    rig.worker.is_draining = lambda: False
    assert rig.worker.max_keepalived == most


class TestHeldBack:
    """A worker that leaves connections to the others of its pod."""

    @pytest.fixture
    def listener(self, rig: Rig) -> Iterator[socket.socket]:
        """Give the worker an address to listen at."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            rig.worker.sockets = [listener]
            yield listener

    def test_it_takes_none(self, rig: Rig, listener: socket.socket) -> None:
        """They wait until another one takes them, or it does."""
        rig.worker.may_accept = lambda: False
        rig.worker.set_accept_enabled(enabled=True)
        with socket.create_connection(listener.getsockname()):
            rig.turn()
            assert rig.worker.nr_conns == 1
            rig.worker.may_accept = lambda: True
            rig.worker.set_accept_enabled(enabled=True)
            rig.turn()
            assert rig.worker.nr_conns == 2
            rig.worker.pending_conns[0].sock.close()

    def test_it_looks_often_whether_it_may(
        self, rig: Rig, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """But not after it does."""
        waits: list[float | None] = []
        monkeypatch.setattr(
            ThreadWorker, "wait_for_and_dispatch_events", lambda _, timeout: waits.append(timeout)
        )
        for may in (False, True):
            rig.worker.may_accept = partial(bool, may)
            rig.worker.set_accept_enabled(enabled=True)
            rig.worker.wait_for_and_dispatch_events(LOOK)
        assert waits == [HELD_BACK, LOOK]

    def test_one_that_stops_asks_nobody(self, rig: Rig, listener: socket.socket) -> None:
        """It closes what it listens at."""
        rig.worker.set_accept_enabled(enabled=True)
        rig.worker.may_accept = lambda: 1 / 0 > 0
        rig.worker.set_accept_enabled(enabled=False)
        assert not [key for key in rig.worker.poller.get_map().values() if key.fileobj is listener]
