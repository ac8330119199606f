"""The folder in which the workers of a pod meet."""

import os
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from broker.errors import SettingsError
from broker.web import runtime
from broker.web.runtime import make_runtime_folder


@pytest.fixture(autouse=True)
def _no_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process go on counting in memory."""
    monkeypatch.setattr(runtime, "prepare", lambda directory: directory.mkdir(exist_ok=True))


def test_by_default_it_is_new_and_goes_with_the_broker() -> None:
    """For this user alone."""
    folder = make_runtime_folder(None)
    other = make_runtime_folder(None)
    try:
        assert folder.path != other.path
        assert folder.path.stat().st_mode & 0o077 == 0
        assert folder.sockets.is_dir()
        assert (folder.path / "metrics").is_dir()
    finally:
        folder.remove()
        other.remove()
    assert not folder.path.exists()


def test_memory_without_room_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's may have a few kilobytes; the workers' mapped files would not fit."""
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=1, f_frsize=4096))
    folder = make_runtime_folder(None)
    folder.remove()
    assert folder.path.parent == Path(tempfile.gettempdir())


def test_a_chosen_one_is_emptied_and_stays(tmp_path: Path) -> None:
    """Of what is the broker's own; nothing else in it is touched."""
    (tmp_path / "workers").mkdir()
    (tmp_path / "workers" / "7.sock").touch()
    (tmp_path / "mine").touch()
    folder = make_runtime_folder(tmp_path)
    assert list(folder.sockets.iterdir()) == []
    assert folder.sockets.stat().st_mode & 0o077 == 0
    folder.remove()
    assert (tmp_path / "mine").exists()


def test_one_that_cannot_be_made_is_a_problem_of_the_settings(tmp_path: Path) -> None:
    """Told at the start, with the reason and without the path."""
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError) as caught:
        make_runtime_folder(tmp_path / "file")
    assert caught.value.problems == ("BROKER_RUNTIME_DIR cannot be used (Not a directory)",)
