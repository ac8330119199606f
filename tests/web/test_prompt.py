"""What needs no waiting is answered in the main loop, with the same bytes; all else by a thread."""

import re
import selectors
import socket
import ssl
import threading
from collections.abc import Iterator
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.workers import gthread
from gunicorn.workers.gthread import TConn, ThreadWorker

from broker.errors import InvalidCredentialError
from broker.web import lingering, request_id
from broker.web import prompt as module
from broker.web import worker as worker_module
from broker.web.malformed import MalformedRequests
from broker.web.prompt import ACCEPTED, TURN, without_query
from broker.web.server import QuietLogger
from broker.web.summary import RequestLog
from broker.web.worker import BrokerWorker
from tests.web.rig import AUDIT_KEY, KEY
from tests.web.test_express import (
    BILLING,
    BY_NAME,
    FORM,
    FORMS,
    GRANT,
    REQUESTS,
    Side,
    basic,
    sides,
)
from tests.web.test_shortcut import AUTHORIZED, RAW, raw

pytestmark = pytest.mark.sockets

CLIENT = ("203.0.113.9", 7)
LONGEST = 10.0
"""Seconds until a test gives up."""
DATE = rb"Date: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\n"
VARYING = DATE + rb"|(?<=X-Request-ID: )[0-9a-f]{32}"
COMING = [(3, 9, 3), (99, 999, ACCEPTED), (9, 2, 2)]
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
PLAIN = RAW[0]


def posted(headers: dict[str, str], form: str, path: str = "/token") -> bytes:
    """Return a form as it is sent."""
    body = form.encode()
    lines = [f"POST {path} HTTP/1.1", "Host: b", *(f"{n}: {v}" for n, v in headers.items())]
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class Loop:
    """A worker's main loop, turned by the test, and its threads."""

    def __init__(self, side: Side, *, prompt: bool = True) -> None:
        self.side = side
        self.cfg = Config()
        self.cfg.set("keepalive", 75)
        self.cfg.set("threads", 8)
        logger = QuietLogger(self.cfg)
        self.worker = BrokerWorker(0, 0, [], SimpleNamespace(), 30, self.cfg, logger)
        self.worker.poller = selectors.DefaultSelector()
        queue: Any = self.worker.method_queue
        queue.init()
        self.worker.poller.register(queue.fileno(), selectors.EVENT_READ, queue.run_callbacks)
        application: Any = side.application
        wsgi: Any = self.worker._between(application)
        self.worker.wsgi = wsgi
        self.worker.malformed = MalformedRequests(side.rig.desk)
        self.worker.lane = application if prompt else None
        self.given = 0
        self._give = self.worker._pool.give
        self.worker._pool.give = self._count  # type: ignore[method-assign]
        self.open: list[socket.socket] = []

    def _count(self, work: Any) -> None:
        self.given += 1
        self._give(work)

    def connect(
        self, *, room: int | None = None, kind: type[socket.socket] = socket.socket
    ) -> tuple[Any, socket.socket]:
        """Return a new connection and its client's end; the worker may send ``room`` bytes."""
        near, far = socket.socketpair()
        near = kind(fileno=near.detach())
        if room is not None:
            near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, room)
        self.open += [near, far]
        conn: Any = TConn(self.cfg, near, CLIENT, ("127.0.0.1", 80))
        self.worker.nr_conns += 1
        self.worker.enqueue_req(conn)
        return conn, far

    def turn(self) -> None:
        """Let the main loop turn once."""
        self.worker.wait_for_and_dispatch_events(0.01)

    def ask(self, far: socket.socket, sent: bytes | str) -> bytes:
        """Return all bytes of the answer but its date."""
        far.sendall(sent if isinstance(sent, bytes) else sent.encode("latin-1"))
        return self.answer(far)

    def answer(self, far: socket.socket) -> bytes:
        """Return the next answer, or what there was of it when the connection was closed."""
        received, until = b"", monotonic() + LONGEST
        far.settimeout(0)
        while not whole(received):
            assert monotonic() < until, received
            self.turn()
            try:
                piece = far.recv(65536)
            except BlockingIOError:
                continue
            if not piece:
                break
            received += piece
        return re.sub(VARYING, b"", received)

    def is_open(self, far: socket.socket) -> bool:
        """Tell whether a client may go on; only after its whole answer."""
        far.settimeout(0)
        try:
            return far.recv(1) != b""
        except BlockingIOError:
            return True

    def once(self, sent: bytes | str) -> bytes:
        """Return what a connection of its own gets."""
        _, far = self.connect()
        return self.ask(far, sent)

    def close(self) -> None:
        """Close everything."""
        self.worker._pool.shutdown()
        self.worker.poller.close()
        self.worker.method_queue.close()
        self.worker.tmp.close()
        for one in self.open:
            one.close()


def whole(received: bytes) -> bool:
    """Tell whether there is an answer with its body."""
    head, end, body = received.removeprefix(CONTINUE).partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return bool(end) and length is not None and len(body) >= int(length[1])


@pytest.fixture(autouse=True)
def _known_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_id, "new_id", lambda: "new")


def warm(side: Side) -> Side:
    """Let the organizations have their tokens, and forget that somebody asked."""
    for organization in ("acme", "globex"):
        side.rig.broker.token(organization)
    return side


@pytest.fixture
def loop() -> Iterator[Loop]:
    """Return a loop whose organizations have their tokens."""
    loop = Loop(warm(sides(told=0)[1]))
    yield loop
    loop.close()


@pytest.fixture
def slow() -> Iterator[Loop]:
    """Return one that gives everything to threads."""
    loop = Loop(warm(sides(told=0)[1]), prompt=False)
    yield loop
    loop.close()


def no_thread(work: object) -> None:
    """Stand for a pool that must not be asked."""
    raise AssertionError("a thread was asked")


EVERYTHING = (
    *(request.encode("latin-1") for request in RAW if not request.startswith("HEAD")),
    *(raw(path, headers).encode("latin-1") for path, headers in REQUESTS),
    *(posted(headers, form, path) for path, headers, form in FORMS),
    *(
        raw(f"/token?{query}", BILLING).encode("latin-1")
        for query in (
            "organization=acme#x",
            "organization=acme=",
            "",
            "a" * 300,
            "\xe4",
            "[",
            "a b",
        )
    ),
    posted(FORM | {"Authorization": ""}, f"{GRANT}&{BY_NAME}"),
    posted(FORM | {"Authorization": "None"}, f"{GRANT}&{BY_NAME}"),
    posted(FORM | {"Expect": "100-continue"} | basic("billing", KEY), GRANT),
    posted(FORM | {"Content-type": FORM["Content-Type"]} | basic("billing", KEY), GRANT),
    b"GET /token HTTP/1.1\r\n\r\nGET",
    b"GET /token\r\n\r\n",
    b"GET /token HTTP/9.9\r\nHost: b\r\n\r\n",
    b"GET /token HTTP/1.1\r\nHost : b\r\n\r\n",
    b"POST /token HTTP/1.1\r\nContent-Length: x\r\n\r\n",
)


def test_every_byte_is_the_same(loop: Loop, slow: Loop) -> None:
    """Whoever gives the answer, and whoever asked before; and so are the audit and the metrics."""
    for sent in EVERYTHING * 2:
        assert loop.once(sent) == slow.once(sent), sent
    assert loop.side.traces() == slow.side.traces()
    assert loop.given < slow.given


@pytest.mark.parametrize(
    "sent",
    [
        PLAIN.encode(),
        raw("/token?organization=acme", BILLING).encode(),
        raw("/token?organization=globex", {"Authorization": f"Bearer {AUDIT_KEY}"}).encode(),
        posted(FORM | basic("billing", KEY), GRANT),
        posted(FORM, f"{GRANT}&{BY_NAME}&scope=acme"),
    ],
)
def test_a_plain_request_meets_no_thread(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    """Neither the first of a connection nor the next ones."""
    monkeypatch.setattr(loop.worker._pool, "give", no_thread)
    _, far = loop.connect()
    for _ in range(3):
        assert loop.ask(far, sent).startswith(b"HTTP/1.1 200 OK\r\n")
    assert len(loop.side.rig.audit) == 3
    assert loop.worker.nr == 3


def test_the_parser_sees_no_plain_query() -> None:
    """It has nothing to say of it; whatever is not plain it sees."""
    named = b"GET /token?organization=a.b_c-9 HTTP/1.1\r\nHost: b"
    assert without_query(named) == (
        "/token?organization=a.b_c-9",
        b"GET /token HTTP/1.1\r\nHost: b",
    )
    for line in (
        b"/token HTTP/1.1",
        b"/token?a%20b HTTP/1.1",
        b"/token?a b HTTP/1.1",
        b"/tokens?a",
    ):
        head = b"GET " + line + b"\r\nHost: b"
        assert without_query(head) == ("", head)
    for end in (b" HTTP/2.0\r\n", b" HTTP/1.1\n", b"#x HTTP/1.1\r\n", b" HTTP/1.1"):
        head = b"GET /token?a" + end
        assert without_query(head) == ("", head)


@pytest.mark.parametrize("place", [1, 10, len(PLAIN) - 1])
def test_a_request_in_pieces(loop: Loop, place: int) -> None:
    """A thread has all its bytes, and waits for the rest."""
    _, far = loop.connect()
    far.sendall(PLAIN[:place].encode())
    loop.turn()
    assert loop.ask(far, PLAIN[place:]).startswith(b"HTTP/1.1 200 OK\r\n")
    assert loop.given == 1


def test_a_body_that_comes_later(loop: Loop) -> None:
    """As some clients send it."""
    sent = posted(FORM, f"{GRANT}&{BY_NAME}")
    _, far = loop.connect()
    far.sendall(sent[:-5])
    loop.turn()
    assert loop.ask(far, sent[-5:]).startswith(b"HTTP/1.1 200 OK\r\n")
    assert loop.given == 1


def test_requests_that_come_together(loop: Loop) -> None:
    """Each has its answer, in their order."""
    _, far = loop.connect()
    first = loop.ask(far, PLAIN + raw("/token?organization=globex", BILLING) + PLAIN)
    answers = first.count(b"HTTP/1.1 ")
    while answers < 3:
        more = loop.answer(far)
        first, answers = first + more, answers + more.count(b"HTTP/1.1 ")
    assert re.findall(rb"HTTP/1.1 (\d+)", first) == [b"200", b"403", b"200"]


def test_a_client_that_has_gone(loop: Loop) -> None:
    """Before it asked, or when it had its answer: nothing of it stays."""
    for asked in (False, True):
        conn, far = loop.connect()
        if asked:
            loop.ask(far, PLAIN)
        far.close()
        for _ in range(5):
            loop.turn()
        assert loop.worker.nr_conns == 0
        assert conn.sock.fileno() == -1
    assert loop.given == 0


class Gone(socket.socket):
    """A connection whose client went while its answer was made."""

    def send(self, *arguments: Any) -> int:
        """Fail as the kernel does."""
        del arguments
        raise BrokenPipeError


def test_a_client_that_goes_before_its_answer(loop: Loop) -> None:
    """It is let go; the main loop goes on."""
    _, far = loop.connect(kind=Gone)
    far.sendall(PLAIN.encode())
    loop.turn()
    far.close()
    for _ in range(5):
        loop.turn()
    assert not loop.worker.keepalived_conns
    assert loop.worker.nr_conns == 0


@pytest.mark.parametrize("end", ["HTTP/1.0", "HTTP/1.1\r\nConnection: close"])
def test_who_wants_it_closed(loop: Loop, end: str) -> None:
    """It is told, and has time to close first."""
    conn, far = loop.connect()
    answer = loop.ask(far, f"GET /token {end}\r\n{AUTHORIZED}\r\n")
    assert b"\r\nConnection: close\r\n" in answer
    assert not loop.is_open(far)
    assert list(loop.worker._lingering) == [conn]
    assert loop.given == 0


@pytest.mark.parametrize("kept", [False, True])
def test_as_many_are_kept_as_may_be(loop: Loop, kept: bool) -> None:
    """One that was kept is not one more."""
    _, far = loop.connect()
    loop.worker.max_keepalived = 1 if kept else 0
    answers = [loop.ask(far, PLAIN) for _ in range(2 if kept else 1)]
    assert all((b"Connection: close" not in answer) is kept for answer in answers)


def test_a_stopping_worker_leaves_all_to_threads(loop: Loop) -> None:
    """They know how to end a connection."""
    _, far = loop.connect()
    loop.ask(far, PLAIN)
    loop.worker.alive = False
    assert b"Connection: close" in loop.ask(far, PLAIN)
    assert loop.given == 1


def test_what_memory_cannot_tell_waits_in_a_thread(loop: Loop) -> None:
    """A token that has died, one that may be old: the audit tells of each request once."""
    _, far = loop.connect()
    for slept in (700.0, 5.0):
        loop.side.rig.clock.sleep(slept)
        given = loop.given
        assert loop.ask(far, PLAIN).startswith(b"HTTP/1.1 200 OK\r\n")
        assert loop.given == given + 1
    loop.ask(far, PLAIN)
    assert loop.given == 2
    assert [entry.outcome for entry in loop.side.rig.audit] == ["served"] * 3


def test_a_service_account_waits_in_a_thread() -> None:
    """Its key may have to be fetched."""
    accounts = Accounts()
    loop = Loop(warm(sides(told=0, service_accounts=accounts)[1]))
    try:
        answer = loop.once(raw("/token", {"Authorization": "Bearer a.b.c"}))
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert accounts.asked == [False]
        assert loop.once(PLAIN).startswith(b"HTTP/1.1 200 OK\r\n")
        assert loop.given == 1
    finally:
        loop.close()


class Accounts:
    """Knows one service account, and notes whether the main loop asked."""

    def __init__(self) -> None:
        self.asked: list[bool] = []

    def identify(self, token: str) -> str:
        """Return whose token it is."""
        self.asked.append(threading.current_thread() is threading.main_thread())
        if token != "a.b.c":  # not one
            raise InvalidCredentialError
        return "shop:pod"


def test_a_request_with_a_line_is_told_by_a_thread(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever reads the log may have stopped: one line each, as many as without the loop."""
    caplog.set_level("INFO", "broker.web.summary")
    loop = Loop(warm(sides(told=1.0)[1]))
    try:
        for _ in range(3):
            loop.once(PLAIN)
    finally:
        loop.close()
    assert [one.message for one in caplog.records] == ["request.answered"] * 3
    assert loop.given == 3


def test_chance_is_asked_once_for_each_request(loop: Loop) -> None:
    """Whoever answers it: else those that threads answer had a line too often."""
    drawn: list[int] = []
    lane = loop.worker.lane
    assert lane is not None

    def chance() -> float:
        drawn.append(1)
        return 0.9

    lane._requests = RequestLog(loop.side.rig.clock, 0.5, chance)
    loop.once(PLAIN)
    loop.once(raw("/token", {"Authorization": "Bearer wrong"}))
    loop.once(raw("/token?organization=globex", BILLING))
    loop.side.rig.clock.sleep(5.0)
    loop.once(PLAIN)
    assert len(drawn) == 4


def test_what_tls_refuses_is_told_by_a_thread(loop: Loop) -> None:
    """As a request that cannot be read."""
    _, far = loop.connect(kind=Garbled)
    far.sendall(PLAIN.encode())
    until = monotonic() + LONGEST
    while loop.worker.nr_conns:
        assert monotonic() < until
        loop.turn()
        far.close()
    assert loop.given == 1


class Garbled(socket.socket):
    """A connection over TLS that brings no TLS."""

    def recv(self, *arguments: Any) -> bytes:
        """Fail as OpenSSL does."""
        del arguments
        raise ssl.SSLError(1, "bad record")


def test_a_defect_is_answered_by_a_thread(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The main loop goes on."""
    lane = loop.worker.lane
    monkeypatch.setattr(lane, "at_once", lambda asked: 1 / 0)
    assert loop.once(PLAIN).startswith(b"HTTP/1.1 200 OK\r\n")
    assert loop.given == 1


def test_a_client_that_takes_its_answer_slowly(loop: Loop) -> None:
    """A thread sends the rest; afterwards the connection goes on."""
    conn, far = loop.connect(room=1)
    wanted = loop.ask(loop.connect()[1], PLAIN)
    fill(conn.sock)
    far.sendall(PLAIN.encode())
    loop.turn()
    assert loop.given == 1
    drained = b""
    while not drained.endswith(wanted[-20:]):
        loop.turn()
        drained += take(far)
    assert re.sub(VARYING, b"", drained.lstrip(b"x")) == wanted
    for _ in range(10):
        loop.turn()
    assert loop.ask(far, PLAIN) == wanted
    assert loop.given == 1


class Narrow(socket.socket):
    """A connection that takes some bytes at a time."""

    def send(self, data: Any, *arguments: Any) -> int:
        """Send the first ten."""
        return super().send(data[:10], *arguments)


def test_half_an_answer(loop: Loop) -> None:
    """A thread sends the other half, no byte twice."""
    _, far = loop.connect(kind=Narrow)
    assert loop.ask(far, PLAIN) == loop.once(PLAIN)
    assert loop.given == 1


def fill(near: socket.socket) -> None:
    """Let nothing more fit into a socket."""
    near.settimeout(0)
    try:
        while True:
            near.send(b"x")
    except BlockingIOError:
        pass


def take(far: socket.socket) -> bytes:
    """Return what there is."""
    far.settimeout(0)
    try:
        return far.recv(65536)
    except BlockingIOError:
        return b""


def test_who_does_not_take_the_rest_is_cut(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with any answer."""
    monkeypatch.setattr(worker_module, "WRITE_LIMIT", 0.05)
    conn, far = loop.connect(room=1)
    loop.turn()
    fill(conn.sock)
    far.sendall(PLAIN.encode())
    until = monotonic() + LONGEST
    while loop.worker.nr_conns:
        assert monotonic() < until
        loop.worker._next_look = 0.0
        loop.turn()
    assert loop.given == 1


class TestSilence:
    """When a connection that is kept is closed."""

    @pytest.fixture(autouse=True)
    def _clock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        for one in (module, lingering, worker_module):
            monkeypatch.setattr(one, "monotonic", lambda: self.now)
        monkeypatch.setattr(gthread, "time", SimpleNamespace(monotonic=lambda: self.now))

    def test_the_answered_one_stays(self, loop: Loop) -> None:
        """Though it was the first to be kept; the silent one behind it goes."""
        (busy, far), (silent, other) = loop.connect(), loop.connect()
        for client in (far, other):
            loop.ask(client, PLAIN)
        assert list(loop.worker.keepalived_conns) == [busy, silent]
        self.now += 50
        loop.ask(far, PLAIN)
        self.now += 30
        loop.worker.murder_keepalived()
        assert list(loop.worker.keepalived_conns) == [busy]
        self.now += 50
        loop.worker.murder_keepalived()
        assert not loop.worker.keepalived_conns
        assert loop.worker.nr_conns == 0

    def test_nobody_stays_behind_one_who_was_busy_longer(self, loop: Loop) -> None:
        """Each is closed when it has been silent for as long as may be, and a little drift."""
        (first, far), (second, other) = loop.connect(), loop.connect()
        for client in (far, other):
            loop.ask(client, PLAIN)
        self.now += 0.5
        loop.ask(other, PLAIN)
        self.now += 70
        third, late = loop.connect()
        loop.ask(late, PLAIN)
        loop.ask(far, PLAIN)
        assert {second, third, first} == set(loop.worker.keepalived_conns)
        self.now += 75 - 70 + module.DRIFT
        loop.worker.murder_keepalived()
        assert set(loop.worker.keepalived_conns) == {third, first}

    def test_all_go_at_the_end(self, loop: Loop) -> None:
        """However busy they were."""
        _, far = loop.connect()
        for _ in range(2):
            loop.ask(far, PLAIN)
            self.now += 1
        loop.worker.murder_keepalived(force=True)  # type: ignore[call-arg]  # stubs of an older one
        assert loop.worker.nr_conns == 0


class TestFairness:
    """A load that never ends leaves nobody outside."""

    def test_others_have_their_turn(self, loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
        """In the midst of a long turn of the loop: threads run, and what they did is taken back."""
        told: list[str] = []
        now = [0.0]

        def clock() -> float:
            now[0] += TURN / 2
            return now[0]

        monkeypatch.setattr(module, "monotonic", clock)
        monkeypatch.setattr(module, "sleep", lambda seconds: told.append("pause"))
        queue = loop.worker.method_queue
        monkeypatch.setattr(queue, "run_callbacks", lambda _: told.append("callbacks"))
        monkeypatch.setattr(loop.worker, "let_go", lambda: told.append("those that wait"))
        monkeypatch.setattr(loop.worker, "accept", told.append)
        listeners: Any = ["listener"]
        loop.worker.sockets = listeners
        _, far = loop.connect()
        for _ in range(4):
            loop.ask(far, PLAIN)
        first = told.index("pause")
        order = ["pause", "callbacks", "those that wait", "listener"]
        assert told[first : first + 4] == order
        assert 1 <= told.count("pause") <= 3

    def test_a_full_worker_lets_nobody_in(
        self, loop: Loop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As gunicorn."""
        monkeypatch.setattr(loop.worker, "accept", no_thread)
        listeners: Any = ["listener"]
        loop.worker.sockets = listeners
        loop.worker.nr_conns = loop.worker.worker_connections
        loop.worker._let_others()

    @pytest.mark.parametrize(
        ("waiting", "most", "accepted"), [(3, 9, 3), (99, 999, ACCEPTED), (9, 2, 2)]
    )
    def test_several_are_let_in(
        self, loop: Loop, monkeypatch: pytest.MonkeyPatch, waiting: int, most: int, accepted: int
    ) -> None:
        """Who waits, as many as there is room for, some at a time; served if they have asked."""
        came: list[socket.socket] = []

        def accept(worker: Any, listener: object) -> None:
            del worker, listener
            if len(came) < waiting:
                far = loop.connect()[1]
                came.append(far)

        loop.worker.worker_connections = most
        monkeypatch.setattr(ThreadWorker, "accept", accept)
        loop.worker.accept(object())
        assert len(came) == accepted

    def test_who_has_asked_is_served_at_once(
        self, loop: Loop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Without another turn; who has not, waits."""
        clients: list[socket.socket] = []

        def accept(worker: Any, listener: object) -> None:
            del listener
            if len(clients) == 2:
                return
            near, far = socket.socketpair()
            loop.open += [near, far]
            clients.append(far)
            if len(clients) == 1:
                far.sendall(PLAIN.encode())
            worker.nr_conns += 1
            worker.enqueue_req(TConn(loop.cfg, near, CLIENT, ("127.0.0.1", 80)))

        monkeypatch.setattr(ThreadWorker, "accept", accept)
        loop.worker.accept(object())
        assert whole(take(clients[0]))
        assert len(loop.worker.pending_conns) == 1
        assert loop.ask(clients[1], PLAIN).startswith(b"HTTP/1.1 200 OK\r\n")
        assert loop.given == 0
