"""The ``broker`` command names its commands."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from broker import __version__
from broker.cli import COMMANDS, main

_OTHERS = {f"broker.cli.{name}" for name in COMMANDS if name != "serve"}


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_lists_the_commands_with_a_line_each(option: str) -> None:
    """It says what the whole is for."""
    result = CliRunner().invoke(main, [option])
    assert result.exit_code == 0
    assert "Serve the current Canvas access token to internal services." in result.output
    for command in ("serve", "emulator", "demo"):
        assert f"\n  {command} " in result.output


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("serve", ["--bind", "--workers", "--threads"]),
        ("emulator", ["--port"]),
        ("demo", ["--port", "--emulator-port", "--workers"]),
    ],
)
def test_each_command_explains_its_options(command: str, options: list[str]) -> None:
    """None starts anything."""
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0
    for option in options:
        assert option in result.output


def test_the_version_is_the_packages_own() -> None:
    """As health tells it."""
    assert CliRunner().invoke(main, ["--version"]).output.strip().endswith(__version__)


@pytest.mark.parametrize("arguments", [["nonsense"], ["serve", "--port", "1"], ["serve", "extra"]])
def test_an_unknown_word_is_refused(arguments: list[str]) -> None:
    """With the exit code of a wrong command line."""
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


@pytest.mark.sockets
def test_the_module_is_the_command() -> None:
    """The demonstration starts its children so."""
    command = [sys.executable, "-m", "broker", "--version"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert ended.stdout.strip().endswith(__version__)


def test_the_service_imports_nothing_of_other_commands() -> None:
    """A worker holds no emulator, and starts without it."""
    look = "import sys, broker.cli.serve; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    imported = set(ended.stdout.split())
    assert "broker.web.server" in imported
    assert imported.isdisjoint({"broker.emulator", "broker.demo", *_OTHERS})
