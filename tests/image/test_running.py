"""The image at work: uid 65532, read-only root, no capability, a memory ``/tmp`` and no more."""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from broker import __version__
from broker.emulator.server import EmulatorServer
from tests.image.built import Image
from tests.image.callers import asking
from tests.image.container import GRACE, Container, bundle, deploy, ran
from tests.integration.conftest import emulator as emulator  # noqa: PLC0414  # a fixture
from tests.integration.deployment import Deployment, Reply
from tests.servers import RedisServer

pytestmark = [pytest.mark.sockets, pytest.mark.slow]

USER = 65532
PYTHON = "/opt/broker/bin/python3"
Start = Callable[..., Deployment]


@pytest.fixture
def start(
    tmp_path: Path, image: Image, emulator: EmulatorServer, valkey: RedisServer
) -> Iterator[Start]:
    """Return how to start a broker of the image; credentials and callers are mounted read-only."""
    with ExitStack() as running:

        def started(**more: object) -> Deployment:
            return running.enter_context(deploy(image, emulator, valkey.url, tmp_path, **more))

        yield started


def ready(deployment: Deployment) -> Reply:
    """Wait until all workers are there and well, and return a token."""
    (container,) = deployment.brokers
    token = deployment.wait_for_token()
    container.wait_for("/health", lambda r: r.status == 200 and r.body["status"] == "pass")
    return token


def test_serves_a_token(start: Start, emulator: EmulatorServer) -> None:
    """From a real Redis and the emulator; the log has no complaint."""
    deployment = start()
    token = ready(deployment)
    assert deployment.is_alive(token.body["access_token"])
    log = deployment.brokers[0].log()
    assert re.findall(r'"level": "(?:WARNING|ERROR|CRITICAL)".*', log) == []


def test_has_no_rights(start: Start) -> None:
    """Master and workers are nobody on the host, with no capability and no way to gain one."""
    deployment = start()
    ready(deployment)
    (container,) = deployment.brokers
    assert isinstance(container, Container)
    processes = [container.master, *container.workers()]
    assert len(processes) == 3
    for pid in processes:
        status = dict(
            line.split(":\t", 1)
            for line in Path(f"/proc/{pid}/status").read_text().splitlines()
            if ":\t" in line
        )
        assert status["Uid"].split() == status["Gid"].split() == [str(USER)] * 4
        assert {int(status[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {
            0
        }
        assert status["NoNewPrivs"] == "1"


def test_writes_nothing_but_its_runtime_folder(start: Start) -> None:
    """The only thing in ``/tmp`` is the folder that the workers share; the root is read-only."""
    deployment = start()
    ready(deployment)
    (container,) = deployment.brokers
    assert isinstance(container, Container)
    inside = Path(f"/proc/{container.master}/root")
    assert [path.name for path in (inside / "tmp").iterdir()] == ["broker"]
    mounts = Path(f"/proc/{container.master}/mounts").read_text().splitlines()
    writable = {m.split()[1] for m in mounts if m.split()[3].split(",")[0] == "rw"}
    assert writable - {"/proc", "/dev"} == {"/tmp"}


@pytest.mark.parametrize("size", ["", "4k"])
def test_needs_no_shared_memory(start: Start, size: str) -> None:
    """It serves, counts and stops without a ``/dev/shm``, and with one that is all but full."""
    deployment = start(shared_memory=size)
    ready(deployment)
    assert deployment.brokers[0].terminate() == 0


def test_answers_the_request_in_flight_when_stopped(start: Start, emulator: EmulatorServer) -> None:
    """It waits for Canvas while SIGTERM comes, and gets its token; the exit code is 0."""
    emulator.fault(hold="after")
    deployment = start()
    emulator.wait_held()
    (container,) = deployment.brokers
    container.wait_for("/health/live", lambda reply: reply.status == 200)
    with ThreadPoolExecutor() as caller:
        asked = caller.submit(deployment.token)
        time.sleep(0.5)
        release = threading.Timer(1.0, emulator.release)
        release.start()
        began = time.monotonic()
        assert container.terminate() == 0
        assert time.monotonic() - began < GRACE
        release.join()
        assert asked.result().status == 200


def test_loses_no_request_when_stopped(start: Start) -> None:
    """Taken out of the load balancer, then stopped: whoever had a connection is answered.

    Each is told by ``Connection: close`` to go elsewhere; after that nobody listens any more.
    """
    deployment = start()
    ready(deployment)
    (container,) = deployment.brokers
    with asking(container.port, deployment.key) as callers:
        time.sleep(2)
        callers.take_out()
        before = len(callers.kept)
        began = time.monotonic()
        assert container.terminate() == 0
        assert time.monotonic() - began < GRACE
    assert len(callers.fresh) > 20
    assert len(callers.kept) > before
    assert set(callers.kept) == set(callers.fresh) == {200}
    assert callers.told_to_close == 4
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", container.port), timeout=5)


def test_other_commands(tmp_path: Path, image: Image) -> None:
    """They take the place of ``serve``: the version, a caller's key, a check of the settings."""
    told = ran(bundle(tmp_path / "version", image, ["--version"], {}))
    assert told.stdout.split()[-1] == __version__
    key = ran(bundle(tmp_path / "key", image, ["key", "billing"], {}))
    assert "[callers.billing]" in key.stdout
    check = ran(bundle(tmp_path / "check", image, ["check"], {}))
    assert check.returncode == 1
    assert "BROKER_REDIS_URL" in check.stdout + check.stderr


def test_bad_settings_end_it_at_once(tmp_path: Path, image: Image) -> None:
    """All problems are told, as outside of a container."""
    done = ran(bundle(tmp_path / "bad", image, ["serve"], {"BROKER_LEASE": "5"}))
    assert done.returncode == 1
    assert done.stderr.startswith("The settings are not usable:\n")


def test_every_module_of_python_can_be_imported(tmp_path: Path, image: Image) -> None:
    """No library that one of them loads was left behind."""
    modules = next(image.root.glob("usr/**/lib-dynload")).glob("*.so")
    names = sorted(path.name.split(".")[0] for path in modules)
    assert len(names) > 10
    python = replace(image, about={"config": {**image.config, "Entrypoint": [PYTHON]}})
    done = ran(bundle(tmp_path / "modules", python, ["-c", f"import {', '.join(names)}"], {}))
    assert done.returncode == 0, done.stderr
