"""The host is short of files or room, workers cannot boot, a master was killed: all goes on."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from broker.emulator.canvas import Canvas
from broker.emulator.server import EmulatorServer
from broker.settings.host import connections
from tests.integration.deployment import (
    CONSUMER,
    SECRET_KEY,
    START_LIMIT,
    BrokerProcess,
    Deployment,
)
from tests.servers import RedisServer

pytestmark = pytest.mark.sockets

SIZE = "1m"
SABOTAGED = """
import pathlib
from broker.cli import main
from broker.web import server

create = server.create_app

def create_app(*arguments):
    if pathlib.Path({!r}).exists():
        raise OSError
    return create(*arguments)

server.create_app = create_app
main()
"""
FILES = 300
MOUNT = f'ulimit -n {FILES} && mount -t tmpfs -o size={SIZE} none "$0" && exec "$@"'


def wait(broker: BrokerProcess, done: Callable[[], bool]) -> None:
    """Look again and again, while the master lives."""
    until = time.monotonic() + START_LIMIT
    while not done():
        assert broker.alive(), broker.log()
        assert time.monotonic() < until, broker.log()
        time.sleep(0.05)


def replaced(broker: BrokerProcess, key: str) -> None:
    """Kill all workers, and wait until as many others serve."""
    old = set(broker.workers())
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    wait(broker, lambda: len(set(broker.workers()) - old) == len(old))
    wait(broker, lambda: served(broker, key) == len(old))


def served(broker: BrokerProcess, key: str) -> int:
    """Return how many workers answer; 0 if no token is given."""
    if broker.get("/token", key).status != 200:
        return 0
    workers = broker.get("/health").body["checks"]["workers"]
    return sum(1 for one in workers if one["uptime"] is not None)


@dataclass
class Small:
    """A broker whose folder is a file system of a megabyte, and which may open few files.

    While the file ``sabotage`` exists, its workers cannot boot.
    """

    broker: BrokerProcess
    key: str
    folder: Path
    sabotage: Path


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, valkey: RedisServer) -> Iterator[Small]:
    """Run it."""
    root = tmp_path_factory.mktemp("small")
    folder, sabotage = root / "run", root / "sabotage"
    folder.mkdir()
    mounting = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", MOUNT, str(folder))
    if (
        shutil.which("unshare") is None
        or subprocess.run([*mounting, "true"], check=False).returncode
    ):
        pytest.skip("no mount namespaces on this machine")
    settings = {
        "BROKER_RUNTIME_DIR": str(folder),
        "BROKER_REDIS_PREFIX": "small",
        "BROKER_THREADS": "8",
    }
    with EmulatorServer(Canvas({CONSUMER: SECRET_KEY}, names={CONSUMER: "acme"})) as emulator:
        fleet = Deployment(root, emulator, valkey.url, brokers=1, settings=settings)
        (broker,) = fleet.brokers
        program = SABOTAGED.format(str(sabotage))
        broker.command = (*mounting, sys.executable, "-c", program, "serve")
        with fleet:
            wait(broker, lambda: served(broker, fleet.key) == 2)
            yield Small(broker, fleet.key, folder, sabotage)


def test_more_idle_connections_than_open_files(small: Small) -> None:
    """A worker takes as many as it may have; it keeps what it needs for Redis and Canvas."""
    before = small.broker.workers()
    most = connections(8, FILES)
    with ExitStack() as idle:
        for _ in range(2 * FILES):
            address = ("127.0.0.1", small.broker.port)
            idle.enter_context(socket.create_connection(address, START_LIMIT))
        wait(small.broker, lambda: all(open_files(pid) >= most for pid in before))
        wait(small.broker, lambda: all(open_files(pid) < FILES for pid in before))
    wait(small.broker, lambda: served(small.broker, small.key) == 2)
    assert small.broker.workers() == before


def open_files(pid: int) -> int:
    """Return how many files a process has open."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def test_workers_that_cannot_boot(small: Small) -> None:
    """The master goes on, and so does the service when the reason has passed."""
    small.sabotage.touch()
    for pid in small.broker.workers():
        os.kill(pid, signal.SIGKILL)
    wait(small.broker, lambda: '"error": "OSError"' in small.broker.log())
    small.sabotage.unlink()
    wait(small.broker, lambda: served(small.broker, small.key) == 2)


def test_a_folder_that_runs_full(small: Small) -> None:
    """Neither the workers that count in it end, nor those that start then, nor their master."""
    broker, key = small.broker, small.key
    folder = Path(f"/proc/{broker.workers()[0]}/root{small.folder}")
    with suppress(OSError), (folder / "full").open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    before = broker.workers()
    for _ in range(50):
        assert broker.get("/token", key).status == 200
    assert broker.workers() == before
    replaced(broker, key)
    replaced(broker, key)
    assert "metrics.no_room" in broker.log()
    wait(broker, lambda: "/metrics lacks what it counts" in repr(broker.get("/health").body))
    assert "SIGBUS" not in broker.log()
    assert broker.terminate() == 0


def test_what_a_killed_master_left(
    tmp_path: Path, emulator: EmulatorServer, valkey: RedisServer
) -> None:
    """The next start removes it."""
    settings = {"BROKER_REDIS_PREFIX": tmp_path.name, "BROKER_WORKERS": "1", "BROKER_THREADS": "8"}
    fleet = Deployment(tmp_path, emulator, valkey.url, brokers=1, settings=settings)
    (broker,) = fleet.brokers
    with fleet:
        fleet.wait_for_token()
        left = folder_of(broker)
        broker.kill()
        broker.start()
        fleet.wait_for_token()
        assert not left.exists()
        assert folder_of(broker).is_dir()


def folder_of(broker: BrokerProcess) -> Path:
    """Return the folder that a broker's workers share, by the files that they have open."""
    for file in Path(f"/proc/{broker.workers()[0]}/fd").iterdir():
        target = file.readlink()
        if target.suffix == ".db":
            return target.parents[1]
    raise AssertionError(broker.log())
