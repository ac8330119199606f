"""The broker's side of the listener, which may be absent, another user's, or silent."""

import logging
import os
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.listener import link as module
from broker.listener.link import PATIENCE, Link
from tests import servers

pytestmark = pytest.mark.sockets

BIND = ["127.0.0.1:8080", "127.0.0.1:8081"]
IMPORTED = """
import runpy, sys
sys.argv[1:] = []
try:
    runpy.run_module("broker.listener", run_name="__main__")
except SystemExit:
    print(*sys.modules)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the listener is."""
    return tmp_path / "listener.sock"


@pytest.fixture
def _listener(path: Path) -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-m", "broker.listener", str(path)]) as process:
        until = time.monotonic() + servers.PATIENCE
        while not path.exists():
            assert time.monotonic() < until
            time.sleep(0.02)
        yield
        process.kill()


@pytest.fixture
def listening() -> Iterator[list[socket.socket]]:
    """Listen twice."""
    found = [socket.create_server(("127.0.0.1", 0)) for _ in BIND]
    yield found
    for one in found:
        one.close()


def addresses(descriptors: list[int]) -> list[object]:
    """Return where sockets listen, and close them."""
    found = []
    for descriptor in descriptors:
        with socket.socket(fileno=descriptor) as one:
            found.append(one.getsockname())
    return found


@pytest.mark.usefixtures("_listener")
def test_the_next_broker_takes_them(
    path: Path, listening: list[socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    """In their order; whoever listens elsewhere takes none."""
    caplog.set_level(logging.INFO)
    first, second, other = Link(path, BIND), Link(path, BIND), Link(path, BIND[:1])
    assert first.take() == []
    first.keep(listening)
    first.keep(listening)
    first.close()
    assert addresses(second.take()) == [one.getsockname() for one in listening]
    assert other.take() == []
    for one in (second, other):
        one.close()
    (record,) = caplog.records
    assert (record.message, vars(record)["sockets"]) == ("listener.connected", 2)


@pytest.mark.usefixtures("_listener")
@pytest.mark.parametrize("name", ["GUNICORN_FD", "LISTEN_FDS"])
def test_sockets_that_come_another_way(
    path: Path, listening: list[socket.socket], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens twice at each address."""
    first, second = Link(path, BIND), Link(path, BIND)
    first.keep(listening)
    monkeypatch.setenv(name, "2")
    assert second.take() == []
    first.close()


@pytest.mark.usefixtures("_listener")
def test_nobody_else_may_connect(path: Path) -> None:
    """By the mode, whatever the folder allows."""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_another_user_holds_is_not_taken(
    path: Path, listening: list[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor are the sockets shown to it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
        door.bind(str(path))
        door.listen()
        monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)
        link = Link(path, BIND)
        assert link.take() == []
        link.keep(listening)
        for _ in range(2):
            connection, _ = door.accept()
            with connection:
                assert connection.recv(1) == b""


def test_a_listener_that_says_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not waited for without end."""
    monkeypatch.setattr(module, "LIMIT_S", 0.05)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
        door.bind(str(path))
        door.listen()
        assert Link(path, BIND).take() == []


def test_no_listener(
    path: Path, listening: list[socket.socket], caplog: pytest.LogCaptureFixture
) -> None:
    """It is told once, and not before it has had the time to start."""
    link = Link(path, BIND)
    assert link.take() == []
    for _ in range(PATIENCE - 1):
        link.keep(listening)
    assert not caplog.records
    for _ in range(PATIENCE):
        link.keep(listening)
    (record,) = caplog.records
    assert record.message == "listener.unreachable"
    assert vars(record)["reason"] == "No such file or directory"


def test_no_path(listening: list[socket.socket]) -> None:
    """Nothing is done."""
    link = Link(None, BIND)
    assert link.take() == []
    link.keep(listening)
    link.close()


def test_the_listener_is_small() -> None:
    """It has nothing of the broker but its own package, and no library."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED], capture_output=True, text=True, timeout=30, check=True
    )
    loaded = set(done.stdout.split())
    ours = {name for name in loaded if name.split(".")[0] == "broker"}
    assert ours == {
        "broker",
        "broker.listener",
        *(f"broker.listener.{n}" for n in ("held", "protocol")),
    }
    assert not loaded & {"click", "flask", "gunicorn", "marshmallow", "redis", "ssl", "logging"}
