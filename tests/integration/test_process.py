"""What other processes of the same user learn of a real broker: nothing, by default."""

import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.emulator.server import EmulatorServer
from tests.integration.deployment import SERVE, BrokerProcess, Deployment
from tests.redis.nodes import wait_until
from tests.servers import RedisServer

pytestmark = pytest.mark.sockets

ORDINARY = (
    sys.executable,
    "-c",
    """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
if os.geteuid() == 0:
    for capability in range(64):
        libc.prctl(24, capability, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
""",
)
"""Runs a command without root's capabilities (24 is PR_CAPBSET_DROP): as any other user's process.

An unprivileged user could not even reach a Python that lies in root's home.
"""
READ = """
import json, pathlib, sys
def seen(file):
    try:
        with file.open("rb") as opened:
            return file.name == "mem" or bool(opened.read(1))
    except PermissionError:
        return False
names = "environ", "maps", "mem"
print(json.dumps([[n for n in names if seen(pathlib.Path("/proc", p, n))] for p in sys.argv[1:]]))
"""


def seen_by_the_same_user(pids: list[int]) -> list[list[str]]:
    """Return which of ``environ``, ``maps`` and ``mem`` another process can open, for each."""
    command = [*ORDINARY, sys.executable, "-c", READ, *map(str, pids)]
    done = subprocess.run(command, capture_output=True, check=True, timeout=30)
    found: list[list[str]] = json.loads(done.stdout)
    return found


def core_limit(pid: int) -> list[str]:
    """Return the soft and the hard limit of a core's size."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("Max core file size"))
    return line.split()[4:6]


@pytest.fixture
def deployment(
    request: pytest.FixtureRequest, tmp_path: Path, emulator: EmulatorServer, valkey: RedisServer
) -> Iterator[Deployment]:
    """Run a broker of an ordinary user, with the settings that the test gives."""
    settings = {"BROKER_REDIS_PREFIX": tmp_path.name, **request.param}
    made = Deployment(tmp_path, emulator, valkey.url, brokers=1, settings=settings)
    (broker,) = made.brokers
    bind = f"127.0.0.1:{broker.port},unix:{tmp_path}/broker.sock"
    broker.command = (*ORDINARY, *SERVE, "--bind", bind)
    with made:
        made.wait_for_token()
        yield made


def processes(broker: BrokerProcess) -> list[int]:
    """Return the master and its two workers."""
    wait_until(lambda: len(broker.workers()) == 2)
    return [broker.master, *broker.workers()]


@pytest.mark.parametrize("deployment", [{"BROKER_ALLOW_DEBUGGING": "false"}], indirect=True)
def test_nothing_is_shown_to_the_same_user(deployment: Deployment, tmp_path: Path) -> None:
    """Neither environment nor memory, of master and workers; no core is written."""
    pids = processes(deployment.brokers[0])
    assert seen_by_the_same_user(pids) == [[]] * 3
    assert [core_limit(pid) for pid in pids] == [["0", "0"]] * 3
    assert stat.S_IMODE((tmp_path / "broker.sock").stat().st_mode) == 0o660


@pytest.mark.parametrize(
    "deployment", [{"BROKER_ALLOW_DEBUGGING": "true", "BROKER_SOCKET_MODE": "0600"}], indirect=True
)
def test_a_setting_allows_it(deployment: Deployment, tmp_path: Path) -> None:
    """So the test above sees what there is to see. Memory may be closed by Yama, too."""
    pids = processes(deployment.brokers[0])
    found = seen_by_the_same_user(pids)
    assert [{"environ", "maps"} <= set(seen) for seen in found] == [True] * 3
    assert stat.S_IMODE((tmp_path / "broker.sock").stat().st_mode) == 0o600
