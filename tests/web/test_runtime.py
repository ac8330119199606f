"""The folder in which the workers of a pod meet."""

import os
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from broker.errors import SettingsError
from broker.web import runtime
from broker.web.runtime import RuntimeFolder, make_runtime_folder


@pytest.fixture(autouse=True)
def _no_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process go on counting in memory."""
    monkeypatch.setattr(runtime, "prepare", lambda directory: directory.mkdir(exist_ok=True))


def test_by_default_it_is_new_and_goes_with_the_broker() -> None:
    """For this user alone."""
    folder = make_runtime_folder(None, 2)
    other = make_runtime_folder(None, 2)
    try:
        assert folder.path != other.path
        assert folder.path.stat().st_mode & 0o077 == 0
        assert folder.sockets.is_dir()
        assert (folder.path / "metrics").is_dir()
    finally:
        folder.remove()
        other.remove()
    assert not folder.path.exists()


def space(bytes_: int, blocks: int = 1) -> SimpleNamespace:
    """Return what the system says of a file system."""
    return SimpleNamespace(f_bavail=bytes_, f_frsize=1, f_blocks=blocks)


def test_memory_without_room_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's may have a few kilobytes; the workers' mapped files would not fit."""
    sizes = {Path("/dev/shm"): space(4096)}
    monkeypatch.setattr(os, "statvfs", lambda folder: sizes.get(folder, space(1 << 30)))
    folder = make_runtime_folder(None, 2)
    folder.remove()
    assert folder.path.parent == Path(tempfile.gettempdir())


def test_a_chosen_one_without_room_is_a_problem_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What each worker needs is known; it is told what to change."""
    monkeypatch.setattr(os, "statvfs", lambda _: space(800_000))
    make_runtime_folder(tmp_path, 3).remove()
    with pytest.raises(SettingsError) as caught:
        make_runtime_folder(tmp_path, 4)
    (problem,) = caught.value.problems
    assert problem.startswith("BROKER_RUNTIME_DIR has 800000 bytes free and needs 983040 for BROK")
    monkeypatch.setattr(os, "statvfs", lambda _: space(0, blocks=0))
    make_runtime_folder(tmp_path, 4).remove()


def test_two_that_start_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One gets the folder, also where the other has just found that nobody had it."""
    locked = runtime._locked
    quicker: list[RuntimeFolder] = []

    def interrupted(file: Path, flags: int) -> int:
        if flags & os.O_CREAT:
            monkeypatch.setattr(runtime, "_locked", locked)
            quicker.append(make_runtime_folder(tmp_path, 1))
        return locked(file, flags)

    monkeypatch.setattr(runtime, "_locked", interrupted)
    with pytest.raises(SettingsError, match="in use by another broker"):
        make_runtime_folder(tmp_path, 1)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["metrics", "owner", "workers"]
    quicker.pop().release()


def test_one_that_is_in_use_is_a_problem_of_the_settings(tmp_path: Path) -> None:
    """Two brokers would remove each other's sockets; it is free when the first has ended."""
    first = make_runtime_folder(tmp_path, 2)
    with pytest.raises(SettingsError, match="BROKER_RUNTIME_DIR is in use by another broker"):
        make_runtime_folder(tmp_path, 2)
    first.remove()
    make_runtime_folder(tmp_path, 2).remove()


class TestAbandoned:
    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Let folders be made in a place of the test's own."""
        monkeypatch.setattr(runtime, "_MEMORY", tmp_path)
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        return tmp_path

    def test_what_a_killed_master_left_is_removed_by_the_next(self) -> None:
        """The kernel has released its lock."""
        killed = make_runtime_folder(None, 2)
        killed.release()
        following = make_runtime_folder(None, 2)
        assert not killed.path.exists()
        following.remove()

    def test_what_a_living_master_has_stays(self) -> None:
        """Also while its workers, which have copied the lock, end."""
        living = make_runtime_folder(None, 2)
        assert living.owner is not None
        os.close(os.dup(living.owner))
        make_runtime_folder(None, 2).remove()
        assert living.sockets.is_dir()
        living.remove()

    def test_what_is_not_known_to_be_abandoned_stays(
        self, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One without a lock, a link, another user's, another name."""
        killed = make_runtime_folder(None, 2)
        killed.release()
        elsewhere = killed.path.rename(place / "elsewhere")
        link = place / "canvas-token-broker-link"
        link.symlink_to(elsewhere)
        unlocked = place / "canvas-token-broker-unlocked"
        unlocked.mkdir()
        make_runtime_folder(None, 2).remove()
        assert elsewhere.is_dir()
        assert unlocked.is_dir()
        link.unlink()
        others = elsewhere.rename(place / "canvas-token-broker-others")
        monkeypatch.setattr(os, "geteuid", lambda: others.stat().st_uid + 1)
        make_runtime_folder(None, 2).remove()
        assert others.is_dir()


def test_a_chosen_one_is_emptied_and_stays(tmp_path: Path) -> None:
    """Of what is the broker's own; nothing else in it is touched."""
    (tmp_path / "workers").mkdir()
    (tmp_path / "workers" / "7.sock").touch()
    (tmp_path / "mine").touch()
    folder = make_runtime_folder(tmp_path, 2)
    assert list(folder.sockets.iterdir()) == []
    assert folder.sockets.stat().st_mode & 0o077 == 0
    folder.remove()
    assert (tmp_path / "mine").exists()


def test_one_that_cannot_be_made_is_a_problem_of_the_settings(tmp_path: Path) -> None:
    """Told at the start, with the reason and without the path."""
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError) as caught:
        make_runtime_folder(tmp_path / "file", 2)
    assert caught.value.problems == ("BROKER_RUNTIME_DIR cannot be used (File exists)",)
