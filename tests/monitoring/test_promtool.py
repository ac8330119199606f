"""``.ci/promtool`` brings the tool once, and says what is wrong where it cannot."""

import subprocess
from pathlib import Path

import pytest

from tests.monitoring.files import ROOT

pytestmark = pytest.mark.sockets
TOOLS = ("bash", "mktemp", "rm", "mkdir", "tail", "install", "cat")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a folder that is all of PATH, with what the script needs besides apt-get and dpkg."""
    folder = tmp_path / "path"
    folder.mkdir()
    for tool in TOOLS:
        found = next(one for one in map(Path, ("/usr/bin", "/bin")) if (one / tool).exists())
        (folder / tool).symlink_to(found / tool)
    return folder


def put(path: Path, name: str, *lines: str) -> None:
    """Make a command."""
    (path / name).write_text("\n".join(["#!/bin/bash", *lines, ""]), "utf-8")
    (path / name).chmod(0o755)


def bring(path: Path, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run the script with ``path`` alone."""
    return subprocess.run(
        ["/bin/bash", ROOT / ".ci" / "promtool", *arguments],
        env={"PATH": str(path)},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_it_is_unpacked_into_the_folder_and_only_once(path: Path, tmp_path: Path) -> None:
    """Without a word; what is there is taken as it is."""
    put(path, "apt-get", '[ "$1" = update ] && exit 0', "cat /dev/null > prometheus_2_amd64.deb")
    put(path, "dpkg", 'mkdir -p "$3/usr/bin"', 'cat "$2" > "$3/usr/bin/promtool"')
    done = bring(path, tmp_path / "tools")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "tools" / "promtool").stat().st_mode & 0o111
    put(path, "apt-get", "exit 1")
    assert bring(path, tmp_path / "tools").returncode == 0


def test_nothing_is_done_where_it_is_on_path(path: Path, tmp_path: Path) -> None:
    """The folder is not even made."""
    put(path, "promtool")
    assert bring(path, tmp_path / "tools").returncode == 0
    assert not (tmp_path / "tools").exists()


def test_a_stale_list_of_packages_is_renewed(path: Path, tmp_path: Path) -> None:
    """A bare machine knows of no package before."""
    known = tmp_path / "known"
    put(
        path,
        "apt-get",
        f'[ "$1" = update ] && {{ cat /dev/null > {known}; exit 0; }}',
        f"[ -e {known} ] || exit 1",
        "cat /dev/null > prometheus_2_amd64.deb",
    )
    put(path, "dpkg", 'mkdir -p "$3/usr/bin"', 'cat "$2" > "$3/usr/bin/promtool"')
    assert bring(path, tmp_path / "tools").returncode == 0
    assert (tmp_path / "tools" / "promtool").exists()


def test_what_is_wrong_is_told(path: Path, tmp_path: Path) -> None:
    """In one line that names the script: no folder, no Debian, no package."""
    assert bring(path).stderr == ".ci/promtool: name the folder to put promtool into\n"
    assert "no apt-get and dpkg here" in bring(path, tmp_path / "tools").stderr
    put(path, "dpkg")
    put(path, "apt-get", "echo no network >&2", "exit 1")
    done = bring(path, tmp_path / "tools")
    assert done.returncode == 1
    assert done.stderr == (
        ".ci/promtool: the package prometheus could not be downloaded: no network\n"
    )
