"""Each way an exchange can fail once sending began, played by a server on loopback."""

import gzip
import socket
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
        [b"HTTP/1.1 100 Continue\r\n\r\n", HEAD + b"Content-Length: 5\r\n\r\nhello"],
        [b"HTTP/1.0 200 OK\r\n\r\nhello"],
    ],
)
def test_every_framing_of_http_1_is_read(script: list[bytes | float]) -> None:
    """By length, in chunks, to the end of the connection, after an interim answer."""
    with ScriptedServer(*script) as server:
        assert ask(server.url).body == b"hello"


def test_a_slow_answer_has_until_the_deadline() -> None:
    """The time for connecting bounds only that, not each receive after it."""
    limits = Limits(upstream_connect_timeout=0.05)
    with ScriptedServer(0.2, http(b"{}")) as server:
        assert ask(server.url, limits=limits).status == 200


def test_a_compressed_body_stays_compressed() -> None:
    """None was asked for, and one that unpacks to a flood does no harm."""
    packed = gzip.compress(b"a" * 100000)
    with ScriptedServer(http(packed, "Content-Encoding: gzip")) as server:
        assert ask(server.url).body == packed


def test_a_header_that_contradicts_itself_is_missing() -> None:
    """Two dates are no date."""
    with ScriptedServer(http(b"{}", f"Date: {DATE}", "Date: x")) as server:
        assert ask(server.url).date is None


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
        ("protocol", [HEAD + b"X: " + b"a" * 70000 + b"\r\n\r\n"]),
        ("protocol", [HEAD + b"X: a\r\n" * 200 + b"\r\n"]),
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
