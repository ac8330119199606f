"""The folder that the workers share is full, or its master was killed: the service goes on."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from broker.emulator.server import EmulatorServer
from tests.integration.deployment import SERVE, START_LIMIT, BrokerProcess, Deployment
from tests.servers import RedisServer

pytestmark = pytest.mark.sockets

SIZE = "512k"
MOUNT = f'mount -t tmpfs -o size={SIZE} none "$0" && exec "$@"'


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
    return sum(1 for one in workers if one["status"] == "pass")


@pytest.fixture
def small(
    tmp_path: Path, emulator: EmulatorServer, valkey: RedisServer
) -> Iterator[tuple[BrokerProcess, str, Path]]:
    """Run a broker whose folder is a file system of half a megabyte; return a key and that."""
    folder = tmp_path / "run"
    folder.mkdir()
    mounting = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", MOUNT, str(folder))
    if (
        shutil.which("unshare") is None
        or subprocess.run([*mounting, "true"], check=False).returncode
    ):
        pytest.skip("no mount namespaces on this machine")
    settings = {
        "BROKER_RUNTIME_DIR": str(folder),
        "BROKER_REDIS_PREFIX": tmp_path.name,
        "BROKER_THREADS": "8",
    }
    fleet = Deployment(tmp_path, emulator, valkey.url, brokers=1, settings=settings)
    (broker,) = fleet.brokers
    broker.command = (*mounting, *SERVE)
    with fleet:
        wait(broker, lambda: served(broker, fleet.key) == 2)
        yield broker, fleet.key, Path(f"/proc/{broker.workers()[0]}/root{folder}")


def test_a_folder_that_runs_full(small: tuple[BrokerProcess, str, Path]) -> None:
    """Neither the workers that count in it end, nor those that start then, nor their master."""
    broker, key, folder = small
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
    assert "SIGBUS" not in broker.log()
    assert broker.terminate() == 0


def test_what_a_killed_master_left(
    tmp_path: Path, emulator: EmulatorServer, valkey: RedisServer
) -> None:
    """The next start removes it, and nothing of a master that lives."""
    settings = {"BROKER_REDIS_PREFIX": tmp_path.name, "BROKER_WORKERS": "1", "BROKER_THREADS": "8"}
    fleet = Deployment(tmp_path, emulator, valkey.url, brokers=2, settings=settings)
    killed, living = fleet.brokers
    with fleet:
        fleet.wait_for_token()
        left, kept = (folder_of(broker) for broker in fleet.brokers)
        killed.kill()
        killed.start()
        killed.wait_for("/token", lambda reply: reply.status == 200, fleet.key)
        assert not left.exists()
        assert kept.is_dir()
        assert folder_of(killed).is_dir()
        assert living.alive()


def folder_of(broker: BrokerProcess) -> Path:
    """Return the folder that a broker's workers share, by the files that they have open."""
    for file in Path(f"/proc/{broker.workers()[0]}/fd").iterdir():
        target = file.readlink()
        if target.suffix == ".db":
            return target.parents[1]
    raise AssertionError(broker.log())
