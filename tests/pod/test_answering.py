"""The listener alone: who may reach it, and what it survives."""

import contextlib
import socket
import stat
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from broker.pod import answering
from broker.pod.answering import Listener

pytestmark = pytest.mark.sockets


@pytest.fixture
def path(directory: Path) -> Path:
    """Give the place of the socket."""
    return directory / "7.sock"


@pytest.fixture
def counting(path: Path) -> Iterator[Listener]:
    """Answer 0, fail, answer 2, fail, and so on."""
    numbers = count()

    def answer(question: bytes) -> bytes:
        del question
        number = next(numbers)
        if number % 2:
            raise RuntimeError("canary")
        return str(number).encode()

    listener = Listener(path, answer)
    listener.start()
    yield listener
    listener.stop()


def asked(path: Path, question: bytes = b"") -> bytes:
    """Return all that comes."""
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(10)
        one.connect(str(path))
        one.sendall(question)
        one.shutdown(socket.SHUT_WR)
        with one.makefile("rb") as answer:
            return answer.read()


def _threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name == "siblings"]


def test_only_its_user_may_ask(path: Path, counting: Listener) -> None:
    """The mode of the socket says so; nothing else is left in the directory."""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["7.sock"]


def test_an_answer_that_cannot_be_made_is_none(path: Path, counting: Listener) -> None:
    """And does not end the listening."""
    assert [asked(path) for _ in range(4)] == [b"0", b"", b"2", b""]


def test_one_that_does_not_listen_holds_up_nobody_for_long(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is left, and the next gets its answer."""
    monkeypatch.setattr(answering, "LONGEST_SEND", 0.05)
    monkeypatch.setattr(answering, "SEND_S_OF_BYTE", 0.0)
    answers = iter([b"x" * 10_000_000, b"next"])
    listener = Listener(path, lambda _: next(answers))
    listener.start()
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.connect(str(path))
        deaf.shutdown(socket.SHUT_WR)
        assert asked(path) == b"next"
    listener.stop()


def test_it_is_told_what_is_asked(path: Path) -> None:
    """All of it; who asks too much, or never ends, gets no answer."""
    listener = Listener(path, lambda question: question[::-1])
    listener.start()
    long = b"x" * answering.LONGEST_QUESTION
    assert [asked(path, question) for question in (b"abc", b"", long)] == [b"cba", b"", long]
    with contextlib.suppress(OSError):  # what it has not read may be told as an error
        assert asked(path, long + b"x") == b""
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(path))
        assert asked(path, b"next") == b"txen"
    listener.stop()


def test_one_that_is_busy_has_longer_for_a_long_answer(path: Path) -> None:
    """As many of thousands of organizations are."""
    listener = Listener(path, lambda _: b"x" * 3_000_000)
    listener.start()
    with socket.socket(socket.AF_UNIX) as busy:
        busy.connect(str(path))
        busy.shutdown(socket.SHUT_WR)
        time.sleep(answering.LONGEST_SEND + 0.1)
        with busy.makefile("rb") as answer:
            assert len(answer.read()) == 3_000_000
    listener.stop()


def test_it_stops_and_leaves_nothing(path: Path) -> None:
    """Neither a socket nor a thread; a new one may take its place."""
    for _ in range(2):
        listener = Listener(path, lambda _: b"x")
        listener.start()
        assert _threads() == ["siblings"]
        assert asked(path) == b"x"
        listener.stop()
        assert not path.exists()
        assert _threads() == []


def test_what_a_dead_one_left_is_taken_over(path: Path) -> None:
    """A new process may get the number of a dead one."""
    for left in (path, path.with_suffix(".new")):
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(left))
    listener = Listener(path, lambda _: b"x")
    listener.start()
    assert asked(path) == b"x"
    listener.stop()


@pytest.mark.parametrize("place", ["nowhere/7.sock", "x" * 200])
def test_where_no_socket_can_be_it_says_so(directory: Path, place: str) -> None:
    """And holds nothing: an open socket would be a warning, and so an error here."""
    with pytest.raises(OSError):
        Listener(directory / place, lambda _: b"x").start()
    assert _threads() == []


def test_a_fault_of_accept_passes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without file descriptors nobody can be answered, but later again."""
    monkeypatch.setattr(answering, "_PAUSE", 0.01)
    listener = Listener(path, lambda _: b"x")
    accept, faults = listener._socket.accept, iter(range(3))

    class Faulty:
        def accept(self) -> object:
            if next(faults, None) is not None:
                raise OSError(24, "Too many open files")
            return accept()

        def __getattr__(self, name: str) -> object:
            return getattr(real, name)

    real = listener._socket
    monkeypatch.setattr(listener, "_socket", Faulty())
    listener.start()
    assert asked(path) == b"x"
    assert next(faults, None) is None
    listener.stop()
