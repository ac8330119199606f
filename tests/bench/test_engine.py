"""The load that comes with the harness, against servers of a few lines."""

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.engine import BROKEN, NUMBER, Engine, Order
from bench.generator import Generator
from tests.redis.certificates import LOOPBACK, Authority

pytestmark = pytest.mark.sockets

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

Answer = Callable[[bytes], bytes]


@pytest.fixture
def by_answers(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], Answer]:
    """Let 10 ms pass with each answer, and hardly any time without: a busy machine loses none."""
    passed = 0.0

    def monotonic() -> float:
        return passed + time.monotonic() / 20

    def counted(answer: Answer) -> Answer:
        def reply(request: bytes) -> bytes:
            nonlocal passed
            passed += 0.01
            return answer(request)

        return reply

    monkeypatch.setattr("bench.engine.time", SimpleNamespace(monotonic=monotonic))
    return counted


@contextmanager
def server(answer: Answer, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Answer each request on a thread for each connection; end one that is answered nothing."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def serve(client: socket.socket) -> None:
        if tls is not None:
            client = tls.wrap_socket(client, server_side=True)
        with client, suppress(OSError):
            while request := client.recv(4096):
                reply = answer(request)
                client.sendall(reply)
                if not reply or b"close" in reply:
                    return

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threads.append(threading.Thread(target=serve, args=(client,)))
                threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in [accepting, *threads]:
            thread.join(5)


def test_closed_loop_sends_all_requests_in_turn(by_answers: Callable[[Answer], Answer]) -> None:
    """Each connection asks again as soon as it has its answer; the warm-up does not count."""
    seen = set()

    def answer(request: bytes) -> bytes:
        seen.add(request)
        return OK

    requests = [f"GET /{n} HTTP/1.1\r\n\r\n".encode() for n in range(20)]
    with server(by_answers(answer)) as port:
        samples = Engine(Order(port, requests, 4, 0.3, 0.1)).run()
    assert seen == set(requests)
    assert samples.failures == {}
    assert 0 < samples.counted <= len(samples.seconds) < samples.statuses["200"]
    assert all(took > 0 for took in samples.seconds)


def test_requests_have_a_number_of_their_own(by_answers: Callable[[Answer], Answer]) -> None:
    """Where they have a place for it, in all places the same."""
    seen: list[bytes] = []

    def answer(request: bytes) -> bytes:
        seen.append(request)
        return OK

    with server(by_answers(answer)) as port:
        Engine(Order(port, [NUMBER + b" " + NUMBER, b"none"], 1, 0.2)).run()
    numbers = [one.split() for one in seen if one != b"none"]
    assert len(numbers) >= 2
    assert all(one == other for one, other in numbers)
    assert len({one for one, _ in numbers}) == len(numbers)


def test_answers_over_tls(tmp_path: Path, by_answers: Callable[[Answer], Answer]) -> None:
    """Of version 1.3, by a server that the authority knows, in pieces of any size."""
    authority, context = Authority(tmp_path, "ours"), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    pair = authority.server(LOOPBACK)
    context.load_cert_chain(pair.certificate, pair.key)
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n\r\n" + b"x" * 40_000
    with server(by_answers(lambda _: long), context) as port:
        samples = Engine(Order(port, [b"x"], 2, 0.3, authority=str(authority.file))).run()
    assert samples.failures == {}
    assert samples.counted > 0


def test_other_answers_are_counted_and_the_connection_replaced(
    by_answers: Callable[[Answer], Answer],
) -> None:
    """The server said that it ends it."""
    with server(by_answers(lambda _: BUSY)) as port:
        samples = Engine(Order(port, [b"x"], 2, 0.1)).run()
    assert samples.failures.keys() == {"503"}
    assert samples.statuses["503"] > 2


@pytest.mark.parametrize("reply", [b"", b"nonsense\r\n\r\n"])
def test_connection_that_ends_without_its_answer_is_broken(
    reply: bytes, by_answers: Callable[[Answer], Answer]
) -> None:
    """And so is one on which something else came."""
    with server(by_answers(lambda _: reply)) as port:
        samples = Engine(Order(port, [b"x"], 1, 0.1)).run()
    assert samples.statuses.keys() == {BROKEN}
    assert samples.counted == 0


def test_open_loop_keeps_its_rate() -> None:
    """Requests come when they are due, not when the last one was answered."""
    with server(lambda _: OK) as port:
        samples = Engine(Order(port, [b"x"], 4, 0.5, rate=100.0)).run()
    assert 10 <= samples.statuses["200"] + samples.dropped <= 52


def test_open_loop_drops_what_finds_no_connection_free() -> None:
    """A slow server does not slow it down."""
    slow = threading.Event()

    def answer(_: bytes) -> bytes:
        slow.wait(0.2)
        return OK

    with server(answer) as port:
        samples = Engine(Order(port, [b"x"], 1, 0.5, rate=100.0)).run()
    assert samples.statuses["200"] <= 4
    assert samples.dropped >= 20


def test_server_that_is_gone_fails_the_run() -> None:
    """The process of the generator tells it, and can be ordered again."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with Generator(frozenset(os.sched_getaffinity(0))) as generator:
        with pytest.raises(RuntimeError, match="ConnectionRefusedError"):
            generator.run(Order(port, [b"x"], 1, 0.1))
        with server(lambda _: OK) as living:
            assert generator.run(Order(living, [b"x"], 1, 1.0)).counted > 0
