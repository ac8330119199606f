"""Whoever has a line goes on at once, whatever becomes of the sink."""

import os
import signal
import threading
import time
import warnings

import pytest

from broker.output.lines import LineQueue
from tests.output.stream import Stream

LIMIT = 60.0
ROOM = 5


class Numbers(LineQueue):
    """Writes numbers; notes what it is told."""

    def __init__(self, stream: Stream, capacity: int = ROOM) -> None:
        super().__init__("test", stream, capacity=capacity, retry=0.01)
        self.losses = 0
        self.failures: list[str | None] = []

    def take(self, *numbers: int) -> None:
        """Take each as a line."""
        self.put(*[b"%d\n" % number for number in numbers])

    def lost_line(self, count: int) -> bytes:
        """Return a line that begins in its own way."""
        return b"lost %d\n" % count

    def on_loss(self) -> None:
        """Count it."""
        self.losses += 1

    def on_failure(self, error: OSError | None) -> None:
        """Note it."""
        self.failures.append(None if error is None else error.strerror)


@pytest.fixture
def stream() -> Stream:
    """Return one that works."""
    return Stream()


@pytest.fixture
def numbers(stream: Stream) -> Numbers:
    """Return a queue with room for five."""
    return Numbers(stream)


def stall(numbers: Numbers, stream: Stream) -> None:
    """Let the thread hang in the sink with the line 0, and nothing wait."""
    stream.stall()
    numbers.take(0)
    assert stream.entered.wait(LIMIT)


def test_lines_arrive_in_their_order(numbers: Numbers, stream: Stream) -> None:
    """All of them, by the time that a flush returns."""
    for number in range(ROOM):
        numbers.take(number)
    assert numbers.flush(LIMIT)
    assert stream.lines == [b"0", b"1", b"2", b"3", b"4"]


def test_each_flush_sees_what_came_before_it(stream: Stream) -> None:
    """Also when the thread has only just begun, or is at it already."""
    numbers = Numbers(stream, 1000)
    for number in range(200):
        numbers.take(number)
        assert numbers.flush(LIMIT)
        assert len(stream.lines) == number + 1


def test_nothing_to_write_needs_no_thread(numbers: Numbers) -> None:
    """A flush has nothing to wait for."""
    assert numbers.flush(LIMIT)
    assert numbers._thread is None


def test_what_there_is_no_room_for_is_counted_and_reported(
    numbers: Numbers, stream: Stream
) -> None:
    """At once for the metrics, and by a line in its place once the sink takes lines again."""
    stall(numbers, stream)
    for number in range(1, 13):
        numbers.take(number)
    assert numbers.losses == 12 - ROOM
    stream.flowing.set()
    while not numbers.flush(LIMIT):
        pass
    assert stream.lines == [b"0", b"1", b"2", b"3", b"4", b"5", b"lost 7"]
    numbers.take(99)
    assert numbers.flush(LIMIT)
    assert stream.lines[7:] == [b"99"]


def test_several_at_once_are_taken_as_far_as_there_is_room(
    numbers: Numbers, stream: Stream
) -> None:
    """The first of them; the others are counted each."""
    stall(numbers, stream)
    numbers.take(*range(1, 4))
    numbers.take(*range(4, 13))
    numbers.take(13, 14)
    assert numbers.losses == 14 - ROOM
    stream.flowing.set()
    while not numbers.flush(LIMIT):
        pass
    assert stream.lines == [b"0", b"1", b"2", b"3", b"4", b"5", b"lost 9"]


def test_a_sink_that_hangs_delays_neither_put_nor_flush(numbers: Numbers, stream: Stream) -> None:
    """Memory is bounded; a flush gives up in time, however often it is tried."""
    stall(numbers, stream)
    for number in range(1000):
        numbers.take(number)
    assert not numbers.flush(0.05)
    assert not numbers.flush(0.05)
    assert numbers._lines.qsize() <= ROOM + 2
    stream.flowing.set()


def test_a_sink_that_fails_loses_nothing(numbers: Numbers, stream: Stream) -> None:
    """It is noted once, and once when it works again; a flush does not wait for it meanwhile."""
    stream.broken = True
    numbers.take(1)
    assert stream.refused.wait(LIMIT)
    began = time.monotonic()
    assert not numbers.flush(LIMIT)
    assert time.monotonic() < began + LIMIT / 2  # at once, on an idle machine
    numbers.take(2)
    stream.broken = False
    while not numbers.flush(LIMIT):
        pass
    assert stream.lines == [b"1", b"2"]
    assert numbers.failures == ["No space left on device", None]


def test_lines_are_joined_to_pieces_that_a_pipe_takes_whole(stream: Stream) -> None:
    """So that processes do not mix theirs."""
    numbers = Numbers(stream, 10_000)
    stall(numbers, stream)
    for number in range(3000):
        numbers.take(number)
    stream.flowing.set()
    assert numbers.flush(LIMIT)
    assert len(stream.lines) == 3001
    assert len(stream.taken) < 20
    assert all(len(piece) <= 4096 and piece.endswith(b"\n") for piece in stream.taken)


def test_a_thread_that_cannot_start_is_tried_again(
    numbers: Numbers, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host has no thread to spare; what waits is written later."""
    with monkeypatch.context() as patch:

        def fail(_: object) -> None:
            raise RuntimeError("can't start new thread")

        patch.setattr(threading.Thread, "start", fail)
        numbers.take(1)
        assert not numbers.flush(0.01)
    numbers.take(2)
    assert numbers.flush(LIMIT)
    assert stream.lines == [b"1", b"2"]


def test_a_put_in_the_middle_of_a_put_is_taken(numbers: Numbers, stream: Stream) -> None:
    """As a signal handler does that logs; nothing locks itself out."""
    before = signal.signal(signal.SIGUSR1, lambda *_: numbers.take(1))
    try:
        with numbers._lock:
            signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert numbers.flush(LIMIT)
    assert stream.lines == [b"1"]


@pytest.mark.sockets
def test_a_forked_process_has_its_own_thread_and_none_of_the_lines(stream: Stream) -> None:
    """It forked while the parent's thread hung in the sink and another held the lock."""
    numbers = Numbers(stream)
    stall(numbers, stream)
    for number in range(1, 13):
        numbers.take(number)
    reading, writing = os.pipe()
    holding, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with numbers._lock:
            holding.set()
            assert let_go.wait(LIMIT)

    holder = threading.Thread(target=hold)
    holder.start()
    assert holding.wait(LIMIT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Python 3.12 and later
        pid = os.fork()
    if pid == 0:
        stream.flowing = threading.Event()
        stream.flowing.set()
        stream.taken = []
        numbers.take(77)
        written = numbers.flush(LIMIT)
        os.write(writing, b"%d %d " % (written, numbers._lost) + b"".join(stream.taken))
        os._exit(0)
    let_go.set()
    holder.join()
    os.waitpid(pid, 0)
    assert os.read(reading, 100) == b"1 0 77\n"
    stream.flowing.set()
    while not numbers.flush(LIMIT):
        pass
    assert stream.lines[-1] == b"lost 7"
    os.close(reading)
    os.close(writing)
