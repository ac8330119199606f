from pathlib import Path

import pytest

from tests.cluster.binaries import NAMES, Binaries, MissingError


def put(folder: Path, *names: str) -> None:
    """Put programs into a folder."""
    for name in names:
        (folder / name).write_text("")
        (folder / name).chmod(0o755)


def test_programs_of_the_folder_go_before_those_of_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the folder lacks is taken from PATH."""
    folder, path = tmp_path / "folder", tmp_path / "path"
    for one in (folder, path):
        one.mkdir()
    put(path, *NAMES.values())
    put(folder, "helm")
    monkeypatch.setenv("PATH", str(path))
    found = Binaries.find(folder)
    assert found.helm == str(folder / "helm")
    assert found.etcd == str(path / "etcd")


def test_all_that_is_missing_is_named_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody wants to hear of them one by one."""
    put(tmp_path, "helm", "etcd")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingError, match=r"^not found: kube-apiserver, kube-controller-manager$"):
        Binaries.find(tmp_path)
