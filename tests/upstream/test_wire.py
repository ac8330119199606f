"""Each way an exchange can fail once sending began, played by a server on loopback."""

import gzip
import socket
import tracemalloc
import zlib
from threading import Thread

import pytest

from broker.errors import AmbiguousError, UpstreamError
from broker.limits import Limits
from broker.upstream.route import Route
from broker.upstream.wire import exchange
from tests.servers import PATIENCE
from tests.upstream.asking import DRIP, REQUEST, ask, failure
from tests.upstream.samples import DATE, HASTY, LIMITS, FakeClock, body, http
from tests.upstream.scripted import Act, ScriptedServer

pytestmark = [pytest.mark.sockets, pytest.mark.usefixtures("no_carrier_left")]

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def test_an_answer_arrives_whole() -> None:
    """Status, the two headers that matter and the body."""
    with ScriptedServer(http(body(), f"Date: {DATE}", "Retry-After: 3")) as server:
        found = ask(server.url)
    assert (found.status, found.date, found.retry_after) == (200, DATE, "3")
    assert found.body == body()


@pytest.mark.parametrize(
    "script",
    [
        [HEAD + b"\r\n", b"he", b"llo"],
        [HEAD + b"Content-Length: 5\r\n\r\nhe", 0.05, b"llo"],
        [CHUNKED, b"2\r\nhe\r\n", b"3\r\nllo\r\n", b"0\r\n\r\n"],
        [CHUNKED, b"5;a=b\r\nhello\r\n", b"0\r\nDate: x\r\n\r\n"],
        [HEAD + b"Transfer-Encoding: Chunked \r\n\r\n5\r\nhello\r\n0\r\n\r\n"],
        [HEAD + b"Content-Length:\r\n 5\r\n\r\nhello", 0.1],
        [b"HTTP/1.1 200\nContent-Length: 5\n\nhello", 0.1],
        [HEAD + b"no header\r\nContent-Length: 5\r\n\r\nhello", 0.1],
        [b"HTTP/1.1 203 Changed\r\nContent-Length: 5\r\n\r\nhello"],
        [b"HTTP/1.0 200 OK\r\n\r\nhello"],
    ],
)
def test_every_framing_of_http_1_is_read(script: list[bytes | float]) -> None:
    """By length, in chunks with trailers, to the end of the connection; folded, or without CR."""
    with ScriptedServer(*script) as server:
        assert ask(server.url).body == b"hello"


@pytest.mark.parametrize(
    "interim",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\n" * 3,
        b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\nDate: x\r\n\r\n",
        b"HTTP/1.1 199\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nContent-Length: 3\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    ],
)
def test_interim_answers_are_passed_over(interim: bytes) -> None:
    """Any number of them, whether or not they come together with the final one."""
    with ScriptedServer(interim, http(body(), f"Date: {DATE}")) as server:
        found = ask(server.url)
    assert (found.status, found.date, found.body) == (200, DATE, body())
    with ScriptedServer(interim, 0.05, interim + http(body())) as server:
        assert ask(server.url).body == body()


def test_switching_protocols_is_no_interim_answer() -> None:
    """Nobody asked for it; what follows is not HTTP."""
    with ScriptedServer(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", http(body())) as server:
        assert ask(server.url).status == 101


def test_headers_are_bounded_in_bytes_not_in_lines() -> None:
    """Edges add tens of them."""
    many = [f"X-Edge-{number}: {'v' * 40}" for number in range(1000)]
    with ScriptedServer(http(body(), *many, f"Date: {DATE}")) as server:
        found = ask(server.url)
    assert (found.date, found.body) == (DATE, body())


def deflated(content: bytes, *, raw: bool = False) -> bytes:
    """Return it as the coding ``deflate`` is defined, or as some servers took it to be."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS if raw else zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(body())),
        ("X-GZIP", gzip.compress(body())),
        ("deflate", deflated(body())),
        ("deflate", deflated(body(), raw=True)),
        ("deflate, gzip", gzip.compress(deflated(body()))),
        ("gzip", gzip.compress(body()[:9]) + gzip.compress(body()[9:])),
        (", gzip,", gzip.compress(body())),
        ("identity", body()),
        ("", body()),
    ],
)
def test_a_known_encoding_is_undone(encoding: str, packed: bytes) -> None:
    """None was asked for; a server may send one all the same (RFC 9110, 12.5.3)."""
    with ScriptedServer(http(packed, f"Content-Encoding: {encoding}")) as server:
        assert ask(server.url).body == body()


def test_a_compressed_body_is_read_in_chunks() -> None:
    """The coding of the content and that of the transfer have nothing to do with each other."""
    packed = gzip.compress(body())
    chunk = b"%x\r\n" % len(packed) + packed + b"\r\n0\r\n\r\n"
    head = HEAD + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    with ScriptedServer(head + chunk) as server:
        assert ask(server.url).body == body()


def test_a_slow_answer_has_until_the_deadline() -> None:
    """The time for connecting bounds only that, not each receive after it."""
    limits = Limits(upstream_connect_timeout=0.05)
    with ScriptedServer(0.2, http(b"{}")) as server:
        assert ask(server.url, limits=limits).status == 200


def test_a_bomb_is_cut() -> None:
    """A megabyte that unpacks to a gigabyte takes no more memory than the limit and a piece."""
    packed = gzip.compress(b"\0" * 2**20) * 8
    tracemalloc.start()
    try:
        with ScriptedServer(http(packed[:60000], "Content-Encoding: gzip")) as server:
            limits = Limits(upstream_body_limit=65536)
            assert failure(server.url, limits).kind == "oversize"
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_bomb_within_another_is_cut() -> None:
    """Each coding is bounded, not only what is left at the end: nothing, after seconds of work."""
    packed = gzip.compress(gzip.compress(b"") * 2**20)
    head = HEAD + b"Content-Encoding: gzip, gzip\r\n\r\n"
    with ScriptedServer(head + packed) as server:
        assert failure(server.url, Limits(upstream_body_limit=65536)).kind == "oversize"


def test_of_several_dates_the_latest_counts() -> None:
    """It makes lives shorter; what cannot be read is none."""
    earlier = "Wed, 27 Apr 2022 14:01:00 GMT"
    dates = [f"Date: {date}" for date in (earlier, DATE, "x")]
    with ScriptedServer(http(b"{}", *dates)) as server:
        assert ask(server.url).date == DATE


def test_of_several_pauses_none_counts() -> None:
    """A header that contradicts itself is missing."""
    with ScriptedServer(http(b"{}", "Retry-After: 3", "Retry-After: 5")) as server:
        assert ask(server.url).retry_after is None


@pytest.mark.parametrize(
    ("headers", "age"),
    [
        ([], 0),
        (["Age: 0"], 0),
        (["age: 17"], 17),
        (["Age: 17, 20", "Age: 3"], 20),
        (["Age: -1"], 0),
        (["Age: soon"], 0),
        (["Age: 007"], 7),
        (["Age: " + "9" * 5000], 2**31),
    ],
)
def test_the_age_of_an_answer_is_told(headers: list[str], age: int) -> None:
    """In whole seconds; of several the largest, which makes lives shorter."""
    with ScriptedServer(http(b"{}", *headers)) as server:
        assert ask(server.url).age == age


def test_no_cache_is_to_answer_or_to_store() -> None:
    """Every request says so, to caches of any age, and that nothing is to be compressed."""
    with ScriptedServer(http(b"{}")) as server:
        ask(server.url)
    lines = server.received[0].decode().split("\r\n")
    assert "Cache-Control: no-cache, no-store" in lines
    assert "Pragma: no-cache" in lines
    assert "Accept-Encoding: identity" in lines


def test_a_refusal_is_returned_before_its_body_ends() -> None:
    """The status says it all, however slowly the rest drips."""
    with ScriptedServer(b"HTTP/1.1 401 No\r\nContent-Length: 100\r\n\r\n", *DRIP) as server:
        found = ask(server.url)
    assert (found.status, found.body) == (401, b"")


def test_a_redirect_is_not_followed() -> None:
    """The answer is the redirect itself; nothing is asked elsewhere."""
    with ScriptedServer(http(b"{}")) as elsewhere:
        away = http(b"", f"Location: {elsewhere.url}", status="302 Found")
        with ScriptedServer(away) as server:
            assert ask(server.url).status == 302
        assert elsewhere.received == []


@pytest.mark.parametrize(
    ("word", "script"),
    [
        ("timeout", [30.0]),
        ("timeout", [HEAD, *DRIP]),
        ("timeout", [HEAD + b"X: ", *DRIP]),
        ("timeout", [HEAD + b"Content-Length: 100\r\n\r\n", *DRIP]),
        ("timeout", [CHUNKED, b"64\r\n", *DRIP]),
        ("timeout", [HEAD + b"\r\n", *DRIP]),
        ("timeout", [HEAD + b"Content-Length: 100\r\n\r\n", b"a", 30.0]),
        ("timeout", [part for _ in range(100) for part in (b"HTTP/1.1 100 C\r\n\r\n", 0.1)]),
        ("closed", []),
        ("reset", [Act.RESET]),
        ("reset", [HEAD, b"Content-Length: 9\r\n\r\n", b"a", 0.1, Act.RESET]),
        ("truncated", [http(b"{}", length=100)]),
        ("truncated", [http(b"", length=100)]),
        ("truncated", [CHUNKED, b"5\r\nhel"]),
        ("truncated", [CHUNKED, b"5\r\nhello\r\n"]),
        ("truncated", [CHUNKED, b"zz\r\nhello\r\n"]),
        ("oversize", [http(b"a" * 4097)]),
        ("oversize", [http(b"a", length=10**12)]),
        ("oversize", [HEAD + b"\r\n", b"a" * 5000]),
        ("oversize", [CHUNKED, *[b"400\r\n" + b"a" * 1024 + b"\r\n"] * 5, b"0\r\n\r\n"]),
        ("protocol", [b"SSH-2.0-OpenSSH_9.6\r\n"]),
        ("protocol", [b"\r\n" + HEAD]),
        ("protocol", [HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"]),
        ("oversize", [HEAD + b"X: " + b"a" * 70000 + b"\r\n\r\n"]),
        ("oversize", [HEAD + b"X: a\r\n" * 20000 + b"\r\n"]),
        ("oversize", [b"HTTP/1.1 102 Processing\r\n\r\n" * 3000]),
        ("closed", [b"HTTP/1.1 103 Early Hints\r\n\r\n"]),
        ("truncated", [HEAD + b"Content-Length: 2\r\n"]),
        ("truncated", [b"HTTP/1.1 103 Early Hints\r\n"]),
        ("encoding", [http(b"{}", "Content-Encoding: br")]),
        ("encoding", [http(b"{}", "Content-Encoding: gzip, sdch")]),
        ("encoding", [http(b"{}", "Content-Encoding: gzip")]),
        ("encoding", [http(gzip.compress(b"{}")[:-8] + b"\0" * 8, "Content-Encoding: gzip")]),
        ("encoding", [HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"]),
        ("oversize", [http(gzip.compress(b"a" * 4097), "Content-Encoding: gzip")]),
    ],
)
def test_after_sending_every_failure_is_ambiguous(
    word: str, script: list[bytes | float | Act]
) -> None:
    """Whatever Canvas does with the request, it had it; and the deadline holds, drip or not."""
    with ScriptedServer(*script) as server:
        found = failure(server.url, HASTY if word == "timeout" else LIMITS)
    assert isinstance(found, AmbiguousError)
    assert found.kind == word


def test_the_deadline_hangs_up_on_a_server_that_drips() -> None:
    """Canvas sees the connection end: the thread that was given up does not read on."""
    with ScriptedServer(HEAD, *DRIP) as server:
        failure(server.url, HASTY)
        assert server.hung_up.wait(PATIENCE)


def test_a_body_of_the_largest_allowed_length_is_read() -> None:
    """The limit itself is allowed."""
    with ScriptedServer(http(b"a" * 4096)) as server:
        assert len(ask(server.url).body) == 4096


def test_a_life_is_counted_from_the_send_not_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is read after name resolution and connection, before the answer."""
    clock = FakeClock(monotonic=100.0)
    resolve = socket.getaddrinfo

    def slow(*args: object) -> object:
        clock.now += 1.0
        return resolve(*args)  # type: ignore[arg-type] # handed through as they came

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with ScriptedServer(http(body())) as server:
        route = Route(server.url, proxy=None, tls=None)
        assert exchange(route, REQUEST, LIMITS, clock).sent == 101.0


def test_every_exchange_has_a_connection_of_its_own() -> None:
    """A kept connection could break between two calls and make a harmless close ambiguous."""
    with ScriptedServer(http(b"{}"), 0.2) as server:
        assert [ask(server.url).status for _ in range(3)] == [200] * 3
    assert len(server.received) == 3


def test_many_exchanges_do_not_wait_for_each_other() -> None:
    """One that hangs takes nothing from another."""
    with ScriptedServer(30.0) as hanging, ScriptedServer(http(b"{}")) as server:
        found: list[UpstreamError] = []
        thread = Thread(target=lambda: found.append(failure(hanging.url, HASTY)))
        thread.start()
        assert ask(server.url).status == 200
        thread.join(5)
    assert [error.kind for error in found] == ["timeout"]
