"""One connection: its deadlines, the order of its answers, and how it ends."""

import itertools

import pytest

from broker.web.client import IDLE_LIMIT, LINGER, MOST_DROPPED, READ_LIMIT, SPREAD, WRITE_LIMIT
from broker.web.connection import AT_A_TIME
from broker.web.reading import LEAST_CHUNK, LONGEST_RAW
from broker.web.serving import BREATH, MOST_LONG, PAUSE, TURN
from broker.web.token_request import LONGEST_BODY
from tests.web.line import CONTINUE, HeldPool, Line
from tests.web.requests import BY_NAME, GOOD, GRANT, HOST, PLAIN, TYPED, form, sent
from tests.web.rig import Rig

LIVE = sent("GET /health/live")
OK = b"HTTP/1.1 200 OK\r\n"
FORM = form(f"{GRANT}&{BY_NAME}", *TYPED)


def warm(rig: Rig) -> Rig:
    """Let the organizations have their tokens."""
    for organization in rig.broker.organizations:
        rig.broker.token(organization)
    return rig


@pytest.fixture
def line() -> Line:
    """Return a port whose organizations have their tokens."""
    return Line(warm(Rig("acme", "globex")))


@pytest.fixture
def pool() -> HeldPool:
    """Return threads that wait for the test."""
    return HeldPool()


@pytest.fixture
def slow(pool: HeldPool) -> Line:
    """Return a port whose threads wait for the test."""
    return Line(warm(Rig("acme")), pool=pool)


def test_the_limits() -> None:
    """As they are documented."""
    assert (READ_LIMIT, WRITE_LIMIT, LINGER, IDLE_LIMIT) == (10.0, 10.0, 2.0, 75.0)


def told(line: Line, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the errors that the log tells of."""
    return [vars(one)["error"] for one in caplog.records if one.message == "request.malformed"]


@pytest.fixture(autouse=True)
def _hear(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "broker")


class TestDeadlines:
    @pytest.mark.parametrize("begun", [b"G", PLAIN[:-2], FORM[:-9]])
    def test_a_request_has_one_limit(
        self, line: Line, begun: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        """From its first byte, whatever comes meanwhile: line, head, or form."""
        client = line.connect()
        client.send(begun)
        line.pass_time(READ_LIMIT - 1)
        client.send(b"x" if begun[-1:] != b"\r" else b"\r")
        line.pass_time(0.9)
        assert client.is_open
        line.pass_time(0.2)
        assert client.transport.closed
        assert client.taken() == b""
        assert told(line, caplog) == ["TooSlow"]

    def test_who_begin_together_are_not_cut_together(self, line: Line) -> None:
        """By chance some have up to a tenth less."""
        chances = [0.0, 0.5, 1.0]
        clients = [line.connect() for _ in chances]
        line.port.chance = iter(chances).__next__
        for client in clients:
            client.send(b"G")
        cut = []
        for seconds in (
            READ_LIMIT * (1 - SPREAD) - 0.1,
            *(READ_LIMIT * SPREAD / 2 for _ in chances),
        ):
            line.pass_time(seconds)
            cut.append(sum(client.transport.closed for client in clients))
        assert cut == [0, 1, 2, 3]

    def test_a_form_whose_head_is_known_has_the_same(
        self, line: Line, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It is held until it is whole."""
        client = line.connect()
        assert client.send(FORM).startswith(OK)
        client.send(FORM[:-20])
        line.pass_time(READ_LIMIT - 1)
        client.send(FORM[-20:-10])
        line.pass_time(1.1)
        assert client.transport.closed
        assert told(line, caplog) == ["TooSlow"]

    def test_each_request_has_its_own(self, line: Line) -> None:
        """The next one begins anew."""
        client = line.connect()
        for _ in range(3):
            client.send(PLAIN[:-2])
            line.pass_time(READ_LIMIT - 1)
            assert client.send(PLAIN[-2:]).startswith(OK)

    @pytest.mark.parametrize("first", [b"", PLAIN, LIVE])
    def test_silence(self, line: Line, first: bytes, caplog: pytest.LogCaptureFixture) -> None:
        """Before the first byte and after an answer: longer, and nobody is told."""
        client = line.connect()
        client.send(*([first] if first else []))
        line.pass_time(IDLE_LIMIT - 1)
        assert client.is_open
        line.pass_time(1.1)
        assert client.transport.closed
        assert told(line, caplog) == []

    def test_no_clock_runs_while_a_request_is_worked_on(self, slow: Line, pool: HeldPool) -> None:
        """The application has bounds of its own."""
        client = slow.connect()
        client.send(LIVE)
        slow.pass_time(1000)
        assert client.is_open
        pool.let_go()
        slow.loop.settle()
        assert client.taken().startswith(OK)

    @pytest.mark.parametrize("request_", [PLAIN, LIVE])
    def test_an_answer_that_is_not_taken(
        self, line: Line, request_: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It has a limit; and meanwhile nothing else is answered on the connection."""
        client = line.connect()
        client.transport.narrow = True
        assert client.send(request_).startswith(OK)
        assert client.send(PLAIN) == b""
        assert client.transport.paused
        line.pass_time(WRITE_LIMIT - 0.1)
        assert client.is_open
        line.pass_time(0.2)
        assert client.transport.closed
        assert told(line, caplog) == ["TooSlow"]

    def test_a_word_that_is_not_taken(self, line: Line) -> None:
        """Nor is the answer then, which has the limit all the same."""
        request = form(f"{GRANT}&{BY_NAME}", *TYPED, "Expect: 100-continue")
        head, _, body = request.partition(b"\r\n\r\n")
        client = line.connect()
        client.transport.narrow = True
        client.send(head + b"\r\n\r\n")
        client.transport.narrow = False  # who is full already is not told so again
        assert client.send(body).endswith(b"}\n")
        line.pass_time(WRITE_LIMIT - 0.1)
        assert client.is_open
        line.pass_time(0.2)
        assert client.transport.closed

    def test_an_answer_that_is_taken_late(self, line: Line) -> None:
        """Then it goes on, with what came meanwhile."""
        client = line.connect()
        client.transport.narrow = True
        client.send(PLAIN, PLAIN)
        client.transport.narrow = False
        client.connection.resume_writing()
        line.loop.settle()
        assert client.taken().startswith(OK)
        assert not client.transport.paused
        line.pass_time(IDLE_LIMIT - 1)
        assert client.is_open

    def test_a_last_answer_that_is_taken_late(self, line: Line) -> None:
        """The client has the limit to take it, and a moment to close."""
        client = line.connect()
        client.transport.narrow = True
        client.send(sent("GET /token", (*GOOD, "Connection: close")))
        line.pass_time(WRITE_LIMIT - 1)
        assert not client.transport.closed
        client.connection.resume_writing()
        line.pass_time(LINGER - 0.1)
        assert not client.transport.closed
        line.pass_time(0.2)
        assert client.transport.closed


class TestOrder:
    def test_requests_that_come_together(self, line: Line) -> None:
        """Each has its answer, in their order, whoever gives it."""
        client = line.connect()
        nowhere = sent("GET /nowhere")
        answer = client.send(PLAIN + LIVE + nowhere + FORM + PLAIN)
        statuses = [one[:3].decode() for one in answer.split(b"HTTP/1.1 ")[1:]]
        assert statuses == ["200", "200", "404", "200", "200"]
        assert client.is_open
        assert not client.transport.paused

    def test_many_give_way(self, line: Line) -> None:
        """To other connections, after some."""
        client = line.connect()
        client.send(PLAIN)
        client.connection.data_received(PLAIN * (AT_A_TIME * 2 + 1))
        turns = [client.taken().count(OK)]
        while line.loop.turn():
            turns.append(client.taken().count(OK))
        assert [count for count in turns if count] == [AT_A_TIME, AT_A_TIME, 1]

    def test_nothing_is_read_while_a_thread_works(self, slow: Line, pool: HeldPool) -> None:
        """What came with the request waits; no more of it is taken from the socket."""
        client = slow.connect()
        client.send(LIVE + PLAIN[:10])
        paused = [client.transport.paused]
        pool.let_go()
        slow.loop.settle()
        assert client.taken().startswith(OK)
        paused.append(client.transport.paused)
        assert paused == [True, False]
        assert client.send(PLAIN[10:]).startswith(OK)

    def test_other_threads_have_their_turn(
        self, line: Line, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Under a load that never ends, too."""
        slept: list[float] = []
        monkeypatch.setattr("broker.web.serving.time.sleep", slept.append)
        client = line.connect()
        for _ in range(10):
            client.send(PLAIN)
            line.loop.now += BREATH / 4
        assert slept == [PAUSE] * len(slept)
        assert 1 < len(slept) < 5

    def test_threads_that_work_have_it_sooner(
        self, line: Line, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """For a moment after a request was given to them."""
        slept: list[float] = []
        client = line.connect()
        client.send(PLAIN)
        client.send(LIVE)
        monkeypatch.setattr("broker.web.serving.time.sleep", slept.append)
        for _ in range(3):
            line.loop.now += TURN * 1.1
            client.send(PLAIN)
        assert len(slept) == 3

    def test_tokens_give_way_to_all_else(self, line: Line) -> None:
        """After a moment in one turn of the loop they wait for the next one; a probe does not."""
        clients = [line.connect() for _ in range(6)]
        for client in clients:
            client.send(PLAIN)
        ticks = itertools.count()
        line.port.now = lambda: 1000 + next(ticks) * TURN / 2
        for client in clients[:5]:
            client.connection.data_received(PLAIN)
        clients[4].connection.eof_received()
        answered = [client.taken().count(OK) for client in clients[:5]]
        assert answered[0] == 1
        assert answered[-2:] == [0, 0]
        clients[5].connection.data_received(LIVE)
        line.loop.turn()
        assert clients[5].taken().count(OK) == 1
        line.loop.settle()
        for client, before in zip(clients, answered, strict=False):
            assert before + client.taken().count(OK) == 1
        assert [client.is_open for client in clients[:5]] == [True] * 4 + [False]


class TestEnd:
    @pytest.mark.parametrize("request_", [PLAIN, LIVE, FORM])
    def test_who_says_that_it_is_the_last(self, line: Line, request_: bytes) -> None:
        """Is told so, and has a moment to close first; what it still sends is thrown away."""
        client = line.connect()
        answer = client.send(request_.replace(b"Host: b", b"Host: b\r\nConnection: TE, close"))
        assert b"\r\nConnection: close\r\n" in answer
        assert client.transport.ended
        client.send(PLAIN)
        assert client.taken() == b""
        line.pass_time(LINGER - 0.1)
        assert not client.transport.closed
        line.pass_time(0.2)
        assert client.transport.closed

    def test_a_client_that_sends_on(self, line: Line) -> None:
        """Much is thrown away for the sake of the answer, but not endlessly."""
        client = line.connect()
        client.send(sent("GET /token", (*GOOD, "Connection: close")))
        client.send(b"x" * MOST_DROPPED)
        assert not client.transport.closed
        client.send(b"x")
        assert client.transport.closed

    @pytest.mark.parametrize("sent_", [b"", b"GET /tok", PLAIN[:-2]])
    def test_a_client_that_leaves(self, line: Line, sent_: bytes) -> None:
        """Before it has asked: nothing is answered."""
        client = line.connect()
        client.send(*([sent_] if sent_ else []))
        assert client.end() == b""
        assert client.transport.closed
        assert line.port.connections == set()

    @pytest.mark.parametrize("known", [False, True])
    def test_a_form_that_ends_early(self, line: Line, *, known: bool) -> None:
        """It is no request, whether or not its head was seen before."""
        client = line.connect()
        if known:
            client.send(FORM)
        client.send(FORM[:-5])
        assert client.end().startswith(b"HTTP/1.1 400 ")
        assert client.transport.closed

    @pytest.mark.parametrize("requests", [[PLAIN], [LIVE], [PLAIN, LIVE, PLAIN], [LIVE, LIVE]])
    def test_who_sends_nothing_more_is_answered(
        self, slow: Line, pool: HeldPool, requests: list[bytes]
    ) -> None:
        """All that was asked, then the connection ends."""
        client = slow.connect()
        client.connection.data_received(b"".join(requests))
        client.connection.eof_received()
        slow.loop.settle()
        while pool.held:
            pool.let_go()
            slow.loop.settle()
        assert client.taken().count(OK) == len(requests)
        assert requests == [PLAIN] or client.transport.closed

    def test_a_client_that_goes_while_it_is_worked_for(self, slow: Line, pool: HeldPool) -> None:
        """Its answer is nobody's."""
        client = slow.connect()
        client.send(LIVE)
        client.transport.close()
        pool.let_go()
        slow.loop.settle()
        assert client.taken() == b""
        assert slow.port.connections == set()

    def test_a_stop(self, line: Line) -> None:
        """Idle ones end within a moment; who asks meanwhile is answered and told to go."""
        idle, asking, busy = line.connect(), line.connect(), line.connect()
        busy.send(PLAIN[:-2])
        line.port.stop()
        assert b"\r\nConnection: close\r\n" in asking.send(PLAIN)
        line.pass_time(LINGER + 0.1)
        assert idle.transport.closed
        assert b"\r\nConnection: close\r\n" in busy.send(PLAIN[-2:])

    def test_an_answer_that_is_taken_during_a_stop(self, line: Line) -> None:
        """It has its time; then no other request is waited for."""
        client = line.connect()
        client.transport.narrow = True
        client.send(PLAIN)
        line.port.stop()
        line.pass_time(WRITE_LIMIT - 0.1)
        assert not client.transport.closed
        client.transport.narrow = False
        client.connection.resume_writing()
        line.pass_time(LINGER + 0.1)
        assert client.transport.closed

    def test_a_drain(self, line: Line) -> None:
        """Each answer is the last on its connection, whoever gives it; who is silent stays."""
        clients = [line.connect() for _ in range(3)]
        line.port.is_draining = lambda: True
        for client, request in zip(clients, (PLAIN, LIVE), strict=False):
            assert b"\r\nConnection: close\r\n" in client.send(request)
        line.pass_time(IDLE_LIMIT - 1)
        assert clients[2].is_open


class TestBodies:
    def test_the_word_to_send_it(self, line: Line) -> None:
        """Once the head is there; not to who did not wait, nor where there is none to come."""
        request = form(f"{GRANT}&{BY_NAME}", *TYPED, "Expect: 100-continue")
        head, _, body = request.partition(b"\r\n\r\n")
        client = line.connect()
        assert client.send(head + b"\r\n\r\n") == CONTINUE
        assert client.send(body).startswith(OK)
        assert line.once(request).startswith(OK)
        assert line.once(sent("GET /token", (*GOOD, "Expect: 100-continue"))).startswith(OK)

    def test_a_body_that_is_too_long_is_refused_unread(self, line: Line) -> None:
        """And without a word to send it; where the next request begins nobody knows."""
        headers = (*TYPED, f"Content-Length: {LONGEST_BODY + 1}", "Expect: 100-continue")
        client = line.connect()
        answer = client.send(sent("POST /token", headers))
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"\r\nConnection: close\r\n" in answer
        assert client.transport.ended

    def test_a_body_in_chunks_that_never_ends(self, line: Line) -> None:
        """It is read within bounds."""
        client = line.connect()
        client.send(sent("POST /token", (*TYPED, "Transfer-Encoding: chunked")))
        piece = b"x" * 4096
        sent_, answer = 0, b""
        while client.is_open and sent_ < 2 * LONGEST_BODY:
            answer = client.send(b"%x\r\n%b\r\n" % (len(piece), piece))
            sent_ += len(piece)
        assert LONGEST_BODY < sent_ <= LONGEST_BODY + len(piece)
        assert answer.startswith(b"HTTP/1.1 413 ")

    def test_a_body_in_chunks_of_one_byte(self, line: Line) -> None:
        """Each costs the loop as much as many bytes; no client sends a form so."""
        head = sent("POST /token", (*TYPED, "Transfer-Encoding: chunked"))
        most = LONGEST_BODY // LEAST_CHUNK
        client = line.connect()
        assert client.send(head + b"1\r\nx\r\n" * most) == b""
        assert client.send(b"1\r\nx\r\n").startswith(b"HTTP/1.1 413 ")

    def test_a_body_that_nobody_wants(self, line: Line) -> None:
        """It is dropped, and what follows it is the next request."""
        request = sent("GET /token", (*GOOD, "Content-Length: 5"), "hello")
        assert line.once(request + PLAIN).count(OK) == 2


@pytest.mark.parametrize("peer", ["", b"", None])
def test_a_unix_socket_has_no_address(peer: object) -> None:
    """The audit says so."""
    line = Line(warm(Rig("acme")))
    client = line.connect(peer)
    for _ in range(2):
        client.send(PLAIN)
    client.send(sent("GET /token?min_ttl=1"))
    assert [entry.remote for entry in line.rig.audit] == ["unix"] * 3


def test_what_many_slow_clients_may_hold(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    """Long requests are few at a time; no client has such, and short ones are read all the same."""
    long = sent("POST /token", (*TYPED, "Content-Length: 60000")) + b"x" * LONGEST_RAW
    clients = [line.connect() for _ in range(MOST_LONG + 1)]
    for client in clients:
        client.send(long)
    assert [client.is_open for client in clients] == [True] * MOST_LONG + [False]
    assert told(line, caplog) == ["TooMany"]
    assert line.once(PLAIN[:9], PLAIN[9:]).startswith(OK)
    clients[0].transport.close()
    clients[1].send(b"x" * (60000 - LONGEST_RAW))
    clients[2].send(b"x" * LONGEST_BODY)
    assert len(line.port.long) == MOST_LONG - 3


def test_what_a_slow_client_may_hold() -> None:
    """Some kilobytes, whatever it sends."""
    line = Line(warm(Rig("acme")))
    client = line.connect()
    client.send(b"GET /token HTTP/1.1\r\n" + b"X: " + b"y" * 4000)
    reading = client.connection._reading
    assert reading is not None
    assert len(reading._parser._buffer) < 8192  # type: ignore[attr-defined]


def test_names_of_headers_with_underscores_are_nobodys(line: Line) -> None:
    """They could be another's, once dashes have become underscores."""
    answer = line.once(sent("GET /token?min_ttl=1", (*GOOD, "X_Request_ID: taken")))
    assert b"X-Request-ID: taken" not in answer


def test_a_host_is_needed(line: Line) -> None:
    """Cold or known."""
    for _ in range(2):
        assert line.once(sent("GET /token", (GOOD[1],))).startswith(b"HTTP/1.1 400 ")
    assert line.once(sent("GET /token", (*HOST, GOOD[1]))).startswith(OK)
