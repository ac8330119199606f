"""Small files are read within bounds, and their changes are seen."""

import os
from pathlib import Path

import pytest

from broker.files.reading import LIMIT, UnreadableError, read_text, shown, signature


def test_text_comes_back_as_it_is(tmp_path: Path) -> None:
    """Nothing is stripped; that is for whoever knows what the text means."""
    file = tmp_path / "file"
    file.write_text(" ü\n")
    assert read_text(file) == " ü\n"


def test_a_byte_order_mark_is_dropped(tmp_path: Path) -> None:
    """Some editors begin a file with one, which nobody sees; in the middle it is text."""
    file = tmp_path / "file"
    file.write_bytes("\ufeffa\ufeff".encode())
    assert read_text(file) == "a\ufeff"
    file.write_bytes("a".encode("utf-16"))
    with pytest.raises(UnreadableError, match="is not UTF-8 text"):
        read_text(file)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"\xffcanary", "is not UTF-8 text"), (b"a" * (LIMIT + 1), f"is longer than {LIMIT} bytes")],
)
def test_content_that_is_refused_is_not_repeated(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    """The reason is one of a few fixed sentences."""
    file = tmp_path / "file"
    file.write_bytes(content)
    with pytest.raises(UnreadableError) as caught:
        read_text(file)
    assert str(caught.value) == reason


def test_a_missing_file_and_a_folder_have_their_own_reasons(tmp_path: Path) -> None:
    """An operator sees which of the two it is."""
    with pytest.raises(UnreadableError, match="does not exist"):
        read_text(tmp_path / "nothing")
    with pytest.raises(UnreadableError, match="is not a file"):
        read_text(tmp_path)


def test_a_pipe_does_not_block_the_reader(tmp_path: Path) -> None:
    """Only regular files are opened: the watcher must not hang on anything else."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnreadableError, match="is not a file"):
        read_text(tmp_path / "pipe")


@pytest.mark.parametrize("name", ["a\0b", "a" * 5000])
def test_an_impossible_name_is_a_reason_too(name: str) -> None:
    """Whatever the system says, one kind of error comes out."""
    with pytest.raises(UnreadableError, match="cannot be read"):
        read_text(Path(name))
    assert signature(Path(name)) is None


def tick(scratch: Path) -> None:
    """Let the clock behind file times move on by one tick, some milliseconds at most."""
    scratch.touch()
    start = scratch.stat().st_ctime_ns
    while scratch.stat().st_ctime_ns == start:
        scratch.touch()


def test_the_signature_tells_of_mended_permissions(tmp_path: Path) -> None:
    """A change of mode leaves the modification time alone and is seen all the same."""
    file = tmp_path / "file"
    file.write_text("a")
    before = signature(file)
    assert signature(file) == before
    tick(tmp_path / "scratch")
    file.chmod(0o600)
    assert signature(file) != before


def test_the_signature_tells_of_another_file_behind_the_same_link(tmp_path: Path) -> None:
    """Two files may agree in size and times; they are not the same one."""
    (tmp_path / "one").write_text("a")
    (tmp_path / "two").write_text("b")
    seen = (tmp_path / "one").stat()
    os.utime(tmp_path / "two", ns=(seen.st_atime_ns, seen.st_mtime_ns))
    link = tmp_path / "link"
    link.symlink_to("one")
    before = signature(link)
    link.unlink()
    link.symlink_to("two")
    assert signature(link) != before


def test_the_signature_of_a_link_that_leads_nowhere_is_none(tmp_path: Path) -> None:
    """Also of one that leads to itself."""
    (tmp_path / "lost").symlink_to("nothing")
    (tmp_path / "loop").symlink_to("loop")
    assert signature(tmp_path / "lost") is signature(tmp_path / "loop") is None


def test_a_long_or_odd_name_fits_a_log_line() -> None:
    """A folder's name is a stranger's text."""
    assert shown("a\nb") == "'a\\nb'"
    assert len(shown("a" * 500)) < 100
