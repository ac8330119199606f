"""The first try, played here: what the demo's pods run, as the chart tells them, with its files."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from broker.callers import new_key
from tests.chart.helm_test import BY_KEY, HelmTest
from tests.chart.kubelet import Kubelet
from tests.chart.rendered import Rendered, render
from tests.chart.samples import MINIMAL, changed
from tests.integration.deployment import BrokerProcess
from tests.servers import RedisServer, free_port

pytestmark = pytest.mark.sockets

LIMIT = 20.0
DEMO: dict[str, Any] = {
    **BY_KEY,
    "organizations": {},
    "redis.url": "",
    "demo.enabled": True,
    "valkey.enabled": True,
}


@pytest.fixture
def root() -> Iterator[Path]:
    """Return a folder with a short name: the workers' sockets lie in it."""
    with TemporaryDirectory() as folder:
        yield Path(folder)


def no_other(path: str) -> bytes:
    """Make nothing up: all that is mounted is the chart's own."""
    raise AssertionError(f"nobody made {path}")


@contextmanager
def emulator(rendered: Rendered, root: Path) -> Iterator[str]:
    """Run the emulator's container on a port of its own; yield its URL."""
    spec = rendered.one("Deployment", "canvas-emulator")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    node = Kubelet(root, rendered, no_other)
    node.start(spec, container)
    here = node.relocation([mount["mountPath"] for mount in container["volumeMounts"]])
    port = free_port()
    own = ("--host=127.0.0.1", f"--port={port}")
    command = [sys.executable, "-m", "broker", *map(here, container["args"]), *own]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            yield f"http://127.0.0.1:{port}/api"
        finally:
            running.terminate()
            running.wait(LIMIT)


@contextmanager
def broker(
    rendered: Rendered, root: Path, redis_url: str, canvas_url: str
) -> Iterator[BrokerProcess]:
    """Run the broker's container, with these in place of Services that are not there."""
    spec = rendered.broker()["spec"]["template"]["spec"]
    environ = Kubelet(root, rendered, no_other).start(spec, rendered.container())
    assert environ["BROKER_CANVAS_URL"].endswith(":8090/api")
    elsewhere = {
        "BROKER_REDIS_URL": redis_url,
        "BROKER_REDIS_PREFIX": root.parent.name,
        "BROKER_CANVAS_URL": canvas_url,
        "BROKER_MANAGEMENT_BIND": f"127.0.0.1:{free_port()}",
    }
    running = BrokerProcess(environ | elsewhere, root / "log").start()
    try:
        yield running
    finally:
        running.kill()


def test_helm_test_is_content_with_the_demo(root: Path, valkey: RedisServer) -> None:
    """Emulator, broker and test run as in their pods, and find each other's keys."""
    key, digest = new_key()
    values = {**DEMO, "callers.billing": {"keySha256": [digest], "organizations": ["demo"]}}
    rendered = render(changed(values, MINIMAL))
    pod = HelmTest(root / "test", {"/token": key.encode()}, values)
    with (
        emulator(rendered, root / "emulator") as canvas_url,
        broker(rendered, root / "broker", valkey.url, canvas_url) as running,
    ):
        done = pod.run(f"http://127.0.0.1:{running.port}", patience=30)
        assert done.returncode == 0, done.stderr + running.log()
        assert "ok: a token for demo" in done.stdout
        assert running.terminate() == 0
