"""Revisions of the project that can be measured beside the present one."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.integration.deployment import SERVE

ROOT = Path(__file__).parents[1]
BASELINE = "604beab04bd12cbc8594e8614c0d9720f1c86e43"
"""The build that targets are told of: four ways to an answer, on gunicorn's threads."""
_SETTINGS = "docs/settings.md"
_NEEDED = ("broker", "requirements.lock", _SETTINGS)


@dataclass(frozen=True, slots=True)
class Build:
    """What is started, and what the report calls it."""

    name: str
    command: tuple[str, ...]


PRESENT = Build("present build", SERVE)
ITSELF = Build("present build again", SERVE)
"""Where right answers are all that is looked for."""


def build(revision: str, kept: Path, repository: Path = ROOT) -> Build:
    """Return a revision in an environment of its own, made in ``kept`` the first time.

    Raises ``CalledProcessError`` where there is no such revision or its dependencies cannot be had.
    """
    found = _run("git", "rev-parse", "--verify", f"{revision}^{{commit}}", cwd=repository)
    commit = found.decode().strip()
    folder = kept / commit
    tree, python, complete = folder / "tree", folder / "bin" / "python", folder / "complete"
    if not complete.exists():
        uv = (sys.executable, "-m", "uv")
        _run(*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
        tree.mkdir()
        archive = _run("git", "archive", commit, "--", *_NEEDED, cwd=repository)
        _run("tar", "-x", cwd=tree, given=archive)
        lock = ("--require-hashes", "-r", str(tree / "requirements.lock"))
        _run(*uv, "pip", "install", "--quiet", "--python", str(python), *lock)
        complete.touch()
    unknown = _settings(repository) - _settings(tree)
    environment = ["env", *(f"--unset={name}" for name in sorted(unknown)), f"PYTHONPATH={tree}"]
    return Build(commit[:7], (*environment, str(python), "-P", "-m", "broker", "serve"))


def _settings(tree: Path) -> set[str]:
    """Return the settings that a revision has; any other that begins like them stops its start."""
    return set(re.findall(r"BROKER_[A-Z_]+", (tree / _SETTINGS).read_text("utf-8")))


def _run(*command: str, cwd: Path | None = None, given: bytes | None = None) -> bytes:
    done = subprocess.run(  # noqa: S603  # commands of our own
        command, cwd=cwd, input=given, check=True, stdout=subprocess.PIPE
    )
    return done.stdout
