"""The emulator on real sockets: what a client really sees, and what is left behind."""

import http.client
import logging
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic
from typing import Any

import pytest

from broker.emulator.controls import Controls
from broker.emulator.server import EmulatorServer
from tests.emulator.support import GLOBEX, Reply, call, make_canvas

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(30)]
PATIENCE = 5.0
REFRESH = "/api/RefreshAccessToken?refreshToken="


@pytest.fixture
def server() -> Iterator[EmulatorServer]:
    """Run a strict emulator."""
    with EmulatorServer(make_canvas()) as running:
        yield running


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Run calls beside each other."""
    with ThreadPoolExecutor(8) as threads:
        yield threads


def stats(server: EmulatorServer) -> dict[str, Any]:
    """Return the counters."""
    return dict(server.stats())


def wait_until_in_flight(server: EmulatorServer, calls: int) -> None:
    """Give the server time to notice that a caller came or hung up."""
    end = monotonic() + PATIENCE
    while stats(server)["in_flight"] != calls and monotonic() < end:
        threading.Event().wait(0.005)
    assert stats(server)["in_flight"] == calls


def leave(server: EmulatorServer, path: str = "/api/Authenticate") -> None:
    """Make a call, wait until it is held, and hang up."""
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as caller:
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConsumer: {'a' * 64}\r\n"
        key = "11111111-2222-3333-4444-555555555555"
        caller.sendall(f"{request}SecretKey: {key}\r\n\r\n".encode())
        server.wait_held()


@pytest.mark.parametrize("status", [100, 102, 103])
def test_an_interim_answer_may_come_first(server: EmulatorServer, status: int) -> None:
    """On the same connection, before the answer."""
    server.fault(interim=status)
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as caller:
        caller.sendall(b"GET /api/Authenticate HTTP/1.1\r\nHost: x\r\n\r\n")
        with caller.makefile("rb") as answer:
            lines = [line.split() for line in answer]
    starts = [line[1] for line in lines if line and line[0].startswith(b"HTTP/1.")]
    assert starts == [str(status).encode(), b"401"]


def test_it_serves_canvas_and_the_management_path(server: EmulatorServer) -> None:
    """On a free port of loopback, at a base URL that ends as the real one."""
    assert server.url == f"http://127.0.0.1:{server.port}/api"
    assert call(server).json()["access_token"].startswith("Bearer ")
    assert call(server, "/_emulator/stats").json()["calls"]["authenticate"] == 1


def test_there_is_one_date_header_and_it_may_be_wrong(server: EmulatorServer) -> None:
    """The server adds none of its own."""
    server.fault(date_shift=86400)
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as caller:
        caller.sendall(b"GET /api/Authenticate HTTP/1.1\r\nHost: x\r\n\r\n")
        head = caller.makefile("rb").read().lower()
    assert head.count(b"\r\ndate: ") == 1
    assert b"date: thu, 28 apr 2022" in head


@pytest.mark.parametrize("drop", ["request", "answer"])
def test_a_dropped_call_ends_the_connection_at_once(server: EmulatorServer, drop: str) -> None:
    """Not a byte comes back, and nobody waits for a time-out."""
    server.fault(drop=drop)
    before = monotonic()
    with pytest.raises(http.client.RemoteDisconnected):
        call(server)
    assert monotonic() - before < PATIENCE
    assert call(server).status == 200


def test_a_truncated_body_is_shorter_than_promised(server: EmulatorServer) -> None:
    """The connection ends in the middle."""
    server.fault(body="truncated")
    with pytest.raises(http.client.IncompleteRead) as caught:
        call(server)
    assert caught.value.partial.startswith(b'{"access_token"')
    assert caught.value.expected


def test_a_dripping_body_comes_byte_by_byte(server: EmulatorServer) -> None:
    """Each receive is quick and the whole is slow: a time-out per receive does not help."""
    server.fault(drip=0.002, status=500, body="html")
    before = monotonic()
    reply = call(server, timeout=1)
    assert monotonic() - before > 0.002 * len(reply.body)
    assert reply.body.endswith(b"</html>")


def test_latency_comes_before_the_answer(server: EmulatorServer) -> None:
    """The work is done and the answer is good."""
    server.fault(latency=0.05)
    before = monotonic()
    assert call(server).status == 200
    assert monotonic() - before >= 0.05


@pytest.mark.parametrize(("hold", "minted"), [("before", 0), ("after", 1)])
def test_calls_are_held_before_or_after_the_work(
    server: EmulatorServer, pool: ThreadPoolExecutor, hold: str, minted: int
) -> None:
    """Until they are released; then the answer is good either way."""
    server.fault(hold=hold)
    held = pool.submit(call, server)
    server.wait_held()
    assert not held.done()
    assert stats(server)["held"] == 1
    assert len(server.canvas._refresh) == minted
    assert call(server, "/_emulator/release", method="POST").json() == {"released": 1}
    assert held.result(PATIENCE).status == 200
    assert stats(server)["held"] == 0


def test_a_release_ends_the_holding(server: EmulatorServer, pool: ThreadPoolExecutor) -> None:
    """Held calls go on, and further ones are not held until the next hold."""
    server.fault(hold="before", times=None)
    held = [pool.submit(call, server) for _ in range(3)]
    server.wait_held(3)
    assert server.release() == 3
    assert [one.result(PATIENCE).status for one in held] == [200, 200, 200]
    assert call(server).status == 200
    server.fault(hold="before")
    again = pool.submit(call, server)
    server.wait_held()
    server.release()
    assert again.result(PATIENCE).status == 200


def test_the_most_in_flight_is_counted_in_all_and_of_each_organization(
    server: EmulatorServer, pool: ThreadPoolExecutor
) -> None:
    """It is a high-water mark: later calls do not lower it."""
    server.fault(hold="after", times=None)
    held: list[Future[Reply]] = [pool.submit(call, server) for _ in range(3)]
    held += [pool.submit(call, server, keys=GLOBEX) for _ in range(2)]
    server.wait_held(5)
    assert stats(server)["in_flight"] == 5
    server.release()
    assert all(one.result(PATIENCE).status == 200 for one in held)
    report = stats(server)
    assert (report["in_flight"], report["most_in_flight"]) == (0, 5)
    assert report["organizations"]["acme"]["most_in_flight"] == 3
    assert report["organizations"]["globex"]["most_in_flight"] == 2


def test_calls_one_after_the_other_are_never_in_flight_together(server: EmulatorServer) -> None:
    """A call has ended before its caller can see its last byte."""
    for _ in range(50):
        call(server)
    server.fault(drip=0.001, status=500, body="html")
    call(server)
    call(server)
    assert stats(server)["most_in_flight"] == 1


def test_who_hangs_up_is_not_in_flight_any_more(server: EmulatorServer) -> None:
    """Although the call is still held, and its work will be done."""
    server.fault(hold="before")
    leave(server)
    wait_until_in_flight(server, 0)
    assert stats(server)["held"] == 1
    call(server)
    assert stats(server)["most_in_flight"] == 1


def test_who_hangs_up_before_a_throttling_answer_has_spent_the_token(
    server: EmulatorServer,
) -> None:
    """It never saw that nothing was done."""
    token = call(server).json()["refresh_token"]
    server.fault(status=429, hold="before")
    leave(server, REFRESH + token)
    wait_until_in_flight(server, 0)
    server.release()
    assert call(server, REFRESH + token).status == 200
    assert stats(server)["presented_twice"] == 1


def test_a_dripped_answer_that_nobody_reads_does_not_stay_in_flight(
    server: EmulatorServer,
) -> None:
    """The caller reads the beginning and goes; the next byte is a minute away."""
    server.fault(drip=60, status=500, body="html")
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as caller:
        caller.sendall(b"GET /api/Authenticate HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until_in_flight(server, 1)
    wait_until_in_flight(server, 0)


def test_an_empty_answer_has_nothing_to_drip(server: EmulatorServer) -> None:
    """And does not stay in flight either."""
    server.fault(drip=60)
    assert call(server, keys=("x", "y")).status == 401
    assert stats(server)["in_flight"] == 0


def test_no_refresh_token_is_logged(
    server: EmulatorServer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither from the query, nor where the question mark is escaped or the line is broken."""
    caplog.set_level(logging.DEBUG)
    call(server, REFRESH + "canary")
    call(server, "/api/RefreshAccessToken%3FrefreshToken=canary")
    call(server, "/api/RefreshAccessToken;canary")
    for line in (
        b"GET /api?canary\r\n\r\n",
        b"GET /api?canary HTTP/9.9\r\n\r\n",
        b"canary\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as caller:
            caller.sendall(line)
            caller.makefile("rb").read()
    assert "GET /api/RefreshAccessToken 404" in caplog.messages
    assert "canary" not in caplog.text
    assert "canary" not in "".join(capfd.readouterr())


def test_faults_for_tests_are_checked_like_those_over_http(server: EmulatorServer) -> None:
    """A typing mistake is a ValueError that names it."""
    with pytest.raises(ValueError, match="latencey: no such knob"):
        server.fault(latencey=1)


def test_a_test_can_reset_and_revoke(server: EmulatorServer) -> None:
    """Without HTTP."""
    token = call(server).json()["access_token"]
    server.fault(status=500, times=None)
    server.reset()
    assert call(server).status == 200
    assert server.revoke(token)
    assert not server.canvas.whoami(token.removeprefix("Bearer "))


def test_waiting_for_calls_that_do_not_come_fails(server: EmulatorServer) -> None:
    """With a sentence, not by hanging."""
    with pytest.raises(TimeoutError, match="1 held calls did not come"):
        server.wait_held(timeout=0.01)


def test_stopping_ends_held_idle_and_dripping_calls_and_leaves_no_thread() -> None:
    """Long before a hold would end; the callers see their connection end."""
    before = set(threading.enumerate())
    with ThreadPoolExecutor(3) as pool, EmulatorServer(make_canvas()) as server:
        server.fault(hold="before", times=2)
        held = [pool.submit(call, server) for _ in range(2)]
        server.wait_held(2)
        server.fault(drip=1)
        dripping = pool.submit(call, server)
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE):
            begun = monotonic()
            server.stop()
            assert monotonic() - begun < PATIENCE
        for caller in (*held, dripping):
            assert isinstance(caller.exception(PATIENCE), http.client.HTTPException | OSError)
    assert {thread for thread in threading.enumerate() if thread not in before} == set()


def test_a_stopped_server_frees_its_port_and_stops_again() -> None:
    """Also one that was never started."""
    first = EmulatorServer(make_canvas())
    first.stop()
    with EmulatorServer(make_canvas(), port=first.port) as second:
        assert call(second).status == 200
        second.stop()
    with pytest.raises(ConnectionRefusedError):
        call(second)


def test_a_taken_port_is_an_error_of_the_system(server: EmulatorServer) -> None:
    """Whoever starts the server decides what to say."""
    with pytest.raises(OSError, match="in use"):
        EmulatorServer(make_canvas(), port=server.port)


def test_a_hold_that_nobody_releases_is_bounded() -> None:
    """Then the call goes on by itself."""
    canvas = make_canvas()
    with EmulatorServer(canvas, controls=Controls(canvas, longest_hold=0.02)) as server:
        server.fault(hold="after")
        assert call(server).status == 200
