"""The command ``broker emulator``, run as people run it."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from broker.cli.emulator import emulator
from broker.emulator.server import EmulatorServer
from tests.emulator.support import ACME, make_canvas
from tests.integration.stalled import StalledPipe

PATIENCE = 30.0
"""Seconds to wait for a process on a busy machine; half as long as a call is held."""
COMMAND = [sys.executable, "-c", "from broker.cli.emulator import emulator; emulator()"]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start the command, and end it with the test."""
    started: list[subprocess.Popen[str]] = []

    def _start(*options: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [*COMMAND, "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield _start
    for process in started:
        process.kill()
        process.communicate(timeout=PATIENCE)


def _exports(process: "subprocess.Popen[str]", count: int) -> dict[str, str]:
    """Read the lines to paste, and what they would set."""
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(count + 1)]
    assert lines[0].startswith("# ")
    pairs = [line.removeprefix("export ").strip().split("=") for line in lines[1:]]
    return dict(pair for pair in pairs if len(pair) == 2)


def _get(url: str, keys: tuple[str, str]) -> int:
    headers = {"Consumer": keys[0], "SecretKey": keys[1]}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5) as answer:
        return int(answer.status)


@pytest.mark.sockets
def test_without_keys_it_makes_some_up_and_prints_what_to_paste(start: Start) -> None:
    """The three settings are all that a broker needs to use it."""
    settings = _exports(start(), 3)
    keys = settings["BROKER_CONSUMER"], settings["BROKER_SECRET_KEY"]
    assert settings["BROKER_CANVAS_URL"].endswith("/api")
    assert _get(settings["BROKER_CANVAS_URL"] + "/Authenticate", keys) == 200


@pytest.mark.sockets
def test_nobody_need_read_its_log() -> None:
    """Each call is a line on standard error; a full pipe holds up neither calls nor the end."""
    with StalledPipe() as pipe:
        process = subprocess.Popen(
            [*COMMAND, "--port", "0", "--consumer", ACME[0], "--secret-key", ACME[1]],
            stdout=subprocess.PIPE,
            stderr=pipe.writing,
            text=True,
        )
        try:
            url = _exports(process, 1)["BROKER_CANVAS_URL"] + "/Authenticate"
            assert [_get(url, ACME) for _ in range(3)] == [200, 200, 200]
            process.terminate()
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
            process.communicate(timeout=PATIENCE)


@pytest.mark.sockets
def test_given_keys_are_used_and_not_printed(start: Start) -> None:
    """Whoever gave them has them."""
    process = start("--consumer", ACME[0], "--secret-key", ACME[1])
    settings = _exports(process, 1)
    assert _get(settings["BROKER_CANVAS_URL"] + "/Authenticate", ACME) == 200
    process.send_signal(signal.SIGTERM)
    printed = "".join(process.communicate(timeout=PATIENCE))
    assert ACME[0] not in printed
    assert ACME[1] not in printed


@pytest.mark.sockets
def test_a_folder_of_organizations_is_played(start: Start, tmp_path: Path) -> None:
    """In the broker's own layout, with the folders' names."""
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "consumer").write_text(ACME[0])
    (tmp_path / "acme" / "secret-key").write_text(ACME[1])
    settings = _exports(start("--credentials-dir", str(tmp_path)), 1)
    assert _get(settings["BROKER_CANVAS_URL"] + "/Authenticate", ACME) == 200


@pytest.mark.sockets
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_even_while_a_call_is_held(start: Start, how: signal.Signals) -> None:
    """Cleanly, with exit code 0 and no traceback."""
    process = start("--fault", '{"hold": "before", "times": null}')
    url = _exports(process, 3)["BROKER_CANVAS_URL"]
    port = int(url.split(":")[2].partition("/")[0])
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as held:
        held.sendall(b"GET /api/Authenticate HTTP/1.1\r\nHost: x\r\n\r\n")
        with urllib.request.urlopen(url.replace("/api", "/_emulator/stats"), timeout=5) as answer:
            answer.read()
        process.send_signal(how)
        _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert "Traceback" not in errors


@pytest.mark.sockets
def test_a_taken_port_is_told_with_a_free_one() -> None:
    """In one sentence, with exit code 1."""
    with EmulatorServer(make_canvas()) as server:
        result = CliRunner().invoke(emulator, ["--port", str(server.port)])
    assert result.exit_code == 1
    assert f"Port {server.port} is taken; port " in result.output
    assert result.output.count("\n") == 1


@pytest.mark.sockets
def test_elsewhere_than_on_loopback_it_warns(start: Start) -> None:
    """Nobody is asked who they are."""
    process = start("--host", "0.0.0.0")
    _exports(process, 3)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=PATIENCE)
    assert "Warning: 0.0.0.0 is not loopback" in errors
    assert "development tool" in errors


@pytest.mark.sockets
def test_the_options_reach_the_canvas(start: Start) -> None:
    """As the management path shows."""
    options = (
        "--access-lifetime-authenticate=70",
        "--access-lifetime-refresh=60",
        "--refresh-lifetime=3600",
        "--sessions=single",
        "--grace=5",
        "--reuse-revokes",
        '--fault={"latency": 0.01, "times": null}',
    )
    url = _exports(start(*options), 3)["BROKER_CANVAS_URL"]
    with urllib.request.urlopen(url.replace("/api", "/_emulator/faults"), timeout=5) as answer:
        shown = answer.read().decode()
    for part in (
        '"access_lifetime_authenticate":70',
        '"access_lifetime_refresh":60',
        '"refresh_lifetime":3600',
        '"sessions":"single"',
        '"grace":5',
        '"reuse_revokes_family":true',
        '"latency":0.01',
    ):
        assert part in shown


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--consumer", "x"], "go together"),
        (["--consumer", "x", "--secret-key", "y", "--credentials-dir", "."], "exclude each other"),
        (["--fault", "{"], "must be a JSON object"),
        (["--fault", '{"latencey": 1}'], "latencey: no such knob"),
        (["--credentials-dir", os.devnull], "Not a directory"),
        (["--host", "256.0.0.1"], "Cannot listen on 256.0.0.1"),
    ],
)
def test_mistakes_are_told_in_a_sentence(options: list[str], sentence: str) -> None:
    """And nothing starts."""
    result = CliRunner().invoke(emulator, options)
    assert result.exit_code in (1, 2)
    assert sentence in result.output
    assert "Traceback" not in result.output


def test_an_unreadable_folder_is_told_in_a_sentence(tmp_path: Path) -> None:
    """It names what is missing."""
    result = CliRunner().invoke(emulator, ["--credentials-dir", str(tmp_path)])
    assert result.exit_code == 1
    assert "no folder of an organization" in result.output
