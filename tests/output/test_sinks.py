"""Where lines end up."""

import os
import threading
from pathlib import Path

import pytest

from broker.output.sinks import DescriptorSink, FileSink, pieces, sink


def test_a_file_is_appended_to(tmp_path: Path) -> None:
    """It is made if it is not there, readable by its owner and group."""
    path = tmp_path / "audit.log"
    path.write_bytes(b"before\n")
    FileSink(path).write(b"after\n")
    assert path.read_bytes() == b"before\nafter\n"
    made = tmp_path / "made.log"
    FileSink(made).write(b"x\n")
    assert made.stat().st_mode & 0o007 == 0


def test_a_file_that_was_moved_away_is_made_anew(tmp_path: Path) -> None:
    """As logrotate does it."""
    path = tmp_path / "audit.log"
    file = FileSink(path)
    file.write(b"one\n")
    path.rename(tmp_path / "audit.log.1")
    file.write(b"two\n")
    assert path.read_bytes() == b"two\n"
    path.unlink()
    file.write(b"three\n")
    assert path.read_bytes() == b"three\n"


def test_no_descriptor_is_left_behind(tmp_path: Path) -> None:
    """However often it is moved."""
    path = tmp_path / "audit.log"
    file = FileSink(path)
    file.write(b"x\n")
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # of a pseudo file system
    for _ in range(20):
        path.unlink()
        file.write(b"x\n")
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208  # as above


def test_a_file_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    """And works once it can."""
    file = FileSink(tmp_path / "later" / "audit.log")
    with pytest.raises(OSError, match="No such file"):
        file.write(b"x\n")
    (tmp_path / "later").mkdir()
    file.write(b"x\n")


def test_a_torn_line_does_not_spoil_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk was full in the middle of a line."""
    written: list[bytes] = []
    room = [4, 0, 100]

    def write(descriptor: int, data: bytes) -> int:
        size = room.pop(0)
        if not size:
            raise OSError(28, "No space left on device")
        written.append(data[:size])
        return len(data[:size])

    monkeypatch.setattr(os, "write", write)
    descriptor = DescriptorSink(9)
    with pytest.raises(OSError, match="No space"):
        descriptor.write(b"a line\n")
    descriptor.write(b"a line\n")
    assert b"".join(written) == b"a li\na line\n"


@pytest.mark.sockets
def test_a_full_descriptor_that_does_not_block_is_waited_for() -> None:
    """Whoever shares the open file may have made it so; nothing is lost, torn or repeated."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    lines = b"".join(b"%d\n" % number for number in range(100_000))
    got: list[bytes] = []

    def read() -> None:
        while piece := os.read(reading, 65536):
            got.append(piece)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        DescriptorSink(writing).write(lines)
    finally:
        os.close(writing)
        reader.join()
        os.close(reading)
    assert b"".join(got) == lines


@pytest.mark.parametrize(("where", "descriptor"), [("stdout", 1), ("stderr", 2)])
def test_a_word_names_a_stream(where: str, descriptor: int) -> None:
    """Also where Python's own is redirected."""
    found = sink(where)
    assert isinstance(found, DescriptorSink)
    assert found._descriptor == descriptor


def test_none_is_no_sink() -> None:
    """The audit is off."""
    assert sink("none") is None


def test_a_path_is_a_file(tmp_path: Path) -> None:
    """Any other word than these is refused by the settings."""
    assert isinstance(sink(str(tmp_path / "x")), FileSink)


def test_pieces_hold_whole_lines() -> None:
    """A longer line stands alone."""
    assert list(pieces([b"a\n", b"b\n", b"long line\n", b"c\n"], 5)) == [
        b"a\nb\n",
        b"long line\n",
        b"c\n",
    ]
    assert list(pieces([])) == []
