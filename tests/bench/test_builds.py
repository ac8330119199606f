"""Revisions in environments of their own."""

import subprocess
from pathlib import Path

import pytest

from bench.builds import ROOT, build

pytestmark = pytest.mark.sockets

SAY = """import os, sys, broker
print(broker.NAME, sys.prefix, sorted(n for n in os.environ if n.startswith("BROKER_")))"""


def git(repository: Path, *arguments: str) -> None:
    """Run git as nobody in particular."""
    nobody = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.com")
    subprocess.run(["git", *nobody, *arguments], cwd=repository, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a project of two revisions, the first tagged; the second has one setting more."""
    root = tmp_path / "project"
    for folder in ("broker", "docs"):
        (root / folder).mkdir(parents=True)
    git(root, "init", "-q")
    (root / "requirements.lock").touch()
    (root / "broker" / "__main__.py").write_text(SAY)
    for revision, settings in (("old", "`BROKER_BIND`"), ("new", "`BROKER_BIND` `BROKER_NEW`")):
        (root / "broker" / "__init__.py").write_text(f"NAME = {revision!r}")
        (root / "docs" / "settings.md").write_text(settings)
        git(root, "add", ".")
        git(root, "commit", "-qm", revision)
        git(root, "tag", revision)
    return root


def run(command: tuple[str, ...], folder: Path) -> str:
    """Run a build as the bench does, where another one lies."""
    settings = {"BROKER_BIND": "x", "BROKER_NEW": "y"}
    done = subprocess.run(
        command, cwd=folder, env=settings, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_a_revision_runs_in_an_environment_of_its_own(repository: Path, tmp_path: Path) -> None:
    """Its own code and libraries, without the settings that it does not know; made once."""
    kept = tmp_path / "kept"
    made = build("old", kept, repository)
    (folder,) = kept.iterdir()
    assert run(made.command, repository) == f"old {folder} ['BROKER_BIND']"
    assert folder.name.startswith(made.name)
    (folder / "mark").touch()
    assert build("old", kept, repository) == made
    assert (folder / "mark").exists()
    (folder / "complete").unlink()
    assert build("old", kept, repository) == made
    assert not (folder / "mark").exists()


def test_unknown_revision_is_told(tmp_path: Path) -> None:
    """Nothing is made for it."""
    with pytest.raises(subprocess.CalledProcessError):
        build("no-such-revision", tmp_path / "kept", ROOT)
    assert not (tmp_path / "kept").exists()
