"""The Makefile: every promised target is there, explains itself, and does what it says."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
PROMISED = ("run", "test", "check", "install", "bench", "chaos", "image", "chart", "help")
EXPLAINED = dict(re.findall(r"^([a-z0-9-]+):.*?## (.+)$", MAKEFILE, re.MULTILINE))


def make(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run ``make``, as if it were not itself run by ``make check``."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("target", PROMISED)
def test_every_promised_target_is_there(target: str) -> None:
    """Each is explained where it stands."""
    assert EXPLAINED[target]


def test_every_target_is_explained_and_no_file() -> None:
    """A target without an explanation would be missing in the help."""
    targets = re.findall(r"^([a-z0-9-]+):", MAKEFILE, re.MULTILINE)
    phony = re.findall(r"^\.PHONY: ([a-z0-9-]+)$", MAKEFILE, re.MULTILINE)
    assert targets == phony == list(EXPLAINED)


@pytest.mark.sockets
@pytest.mark.parametrize("arguments", [(), ("help",)])
def test_help_shows_every_target(arguments: tuple[str, ...]) -> None:
    """It is also what ``make`` alone does."""
    done = make(*arguments)
    assert done.returncode == 0
    shown = re.findall(r"^  make ([a-z0-9-]+) +(.+)$", done.stdout, re.MULTILINE)
    assert dict(shown) == EXPLAINED


@pytest.mark.sockets
def test_run_passes_its_ports_on() -> None:
    """Both ports can be chosen, as the message about a taken port advises."""
    shown = make("--dry-run", "run", "PORT=18480", "EMULATOR_PORT=18481").stdout
    assert ".venv/bin/broker demo --port 18480 --emulator-port 18481" in shown


@pytest.mark.sockets
def test_chaos_passes_its_length_and_seed_on() -> None:
    """Ten minutes unless told otherwise, and a seed only to repeat a run."""
    command = ".venv/bin/python -m tests.chaos --seconds"
    assert re.search(rf"^{command} 600 *$", make("--dry-run", "chaos").stdout, re.MULTILINE)
    assert f"{command} 5 --seed 7" in make("--dry-run", "chaos", "SECONDS=5", "SEED=7").stdout


@pytest.mark.sockets
def test_check_is_format_lint_types_and_all_tests() -> None:
    """What CI runs leaves none of them out, and changes no file."""
    shown = make("--dry-run", "check").stdout
    tests = "pytest -n 3 --dist loadfile"
    for step in ("ruff format --check .", "ruff check .", "mypy", tests):
        assert re.search(rf"^\.venv/bin/{re.escape(step)}$", shown, re.MULTILINE), step


@pytest.mark.sockets
def test_old_python_is_told_apart_at_once() -> None:
    """Install from scratch with an interpreter that is too old: one sentence, and nothing made."""
    done = make("install", "PYTHON=false", "VENV=no-such-folder")
    assert done.returncode != 0
    assert "Python 3.11 or newer is needed" in done.stderr
    assert not (ROOT / "no-such-folder").exists()
