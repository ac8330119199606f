"""Asking sockets that answer, hang, tell too much, or are nobody's."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from broker.pod import asking
from broker.pod.answering import Listener
from broker.pod.asking import Heard, ask
from tests.servers import SLACK

pytestmark = pytest.mark.sockets
LIMIT = 1.0


@contextmanager
def answering(path: Path, answer: bytes) -> Iterator[Path]:
    """Answer so at ``path``."""
    listener = Listener(path, lambda _: answer)
    listener.start()
    try:
        yield path
    finally:
        listener.stop()


@contextmanager
def hanging(path: Path, queue: int = 8) -> Iterator[Path]:
    """Listen and never answer."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(queue)
        yield path


def timed(*paths: Path, limit: float = LIMIT) -> Heard:
    """Ask, and hold it to its limit."""
    began = time.monotonic()
    heard = ask(paths, b"?", lambda: limit)
    assert time.monotonic() - began < limit + SLACK
    return heard


def test_nobody_is_asked() -> None:
    """At once."""
    assert timed(limit=60) == Heard()


def test_each_answer_is_whole(directory: Path) -> None:
    """Also one that comes in many pieces, and an empty one."""
    long = b"x" * 3_000_000
    with ExitStack() as stack:
        answers = {"a": b"1", "b": long, "c": b""}
        paths = {directory / name: answer for name, answer in answers.items()}
        for path, answer in paths.items():
            stack.enter_context(answering(path, answer))
        assert timed(*paths, limit=30) == Heard(paths)


def test_one_that_hangs_costs_the_others_nothing(directory: Path) -> None:
    """Nor do many: the limit is for all of them."""
    with ExitStack() as stack:
        hung = [stack.enter_context(hanging(directory / f"h{n}")) for n in range(10)]
        well = stack.enter_context(answering(directory / "a", b"1"))
        assert timed(*hung, well) == Heard({well: b"1"}, silent=set(hung))


def test_a_full_queue_counts_as_silence(directory: Path) -> None:
    """A stopped worker's queue fills; nobody waits for it."""
    with hanging(directory / "h", queue=0) as path, ExitStack() as stack:
        for _ in range(2):
            waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
            waiting.settimeout(0)
            waiting.connect_ex(str(path))
        assert timed(path, limit=60) == Heard(silent={path})


def test_half_an_answer_is_none(directory: Path) -> None:
    """It drips, and does not end in time."""
    with hanging(directory / "h") as path, socket.socket(socket.AF_UNIX) as one:
        one.connect(str(path))
        assert timed(path) == Heard(silent={path})


def test_an_answer_without_end_is_left(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it is longer than any true one."""
    monkeypatch.setattr(asking, "LARGEST", 1_000_000)
    with answering(directory / "a", b"x" * 1_000_001) as path:
        assert timed(path, limit=30) == Heard(silent={path})
    with answering(directory / "a", b"x" * 1_000_000) as path:
        assert timed(path, limit=30).answers.keys() == {path}


def test_where_nobody_listens_is_told_and_where_nothing_is_not(directory: Path) -> None:
    """The owner of the first died; that of the second has left."""
    left = directory / "left"
    with hanging(left):
        pass
    (directory / "file").touch()
    nothing = directory / "nothing"
    assert timed(left, nothing, limit=60) == Heard(refused={left})
    assert timed(directory / "file", limit=60) == Heard(refused={directory / "file"})


def test_without_file_descriptors_all_are_silent(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is no reason for health to fail."""

    def out(*arguments: object) -> socket.socket:
        raise OSError(24, "Too many open files")

    with hanging(directory / "h") as path:
        monkeypatch.setattr("broker.pod.asking.socket.socket", out)
        assert timed(path) == Heard(silent={path})
