"""How large the image is and how quickly a container of it starts: ``python -m tests.image``."""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import click

from broker.emulator.canvas import Canvas
from broker.emulator.server import EmulatorServer
from tests.image.built import NAME, Image, run, unpacked
from tests.image.container import Container, deploy
from tests.integration.deployment import CONSUMER, SECRET_KEY, Deployment
from tests.servers import RedisServer, redis_binary, valkey_binary

ROUNDS = 9
FIGURES = ("ready", "first token", "processor time")
PAUSE = 0.005


def seconds_until(well: Callable[[], bool], since: float) -> float:
    """Return how long after ``since`` it was so."""
    while not well():
        time.sleep(PAUSE)
    return time.monotonic() - since


def worked(pid: int) -> float:
    """Return the seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start(deployment: Deployment) -> tuple[float, ...]:
    """Start the container.

    Returns the seconds until it was ready, until its first token, and of processor time till then.
    """
    began = time.monotonic()
    with deployment:
        (broker,) = deployment.brokers
        ready = seconds_until(lambda: broker.get("/health/ready").status == 200, began)
        token = seconds_until(lambda: deployment.token().status == 200, began)
        assert isinstance(broker, Container)
        processor = sum(map(worked, [broker.master, *broker.workers()]))
        broker.terminate()
    return ready, token, processor


def measure(image: Image, folder: Path) -> list[tuple[float, ...]]:
    """Start as many containers, one after another, each with an empty store."""
    binary = redis_binary() or valkey_binary()
    canvas = Canvas({CONSUMER: SECRET_KEY}, names={CONSUMER: "acme"})
    with RedisServer(binary, folder) as redis, EmulatorServer(canvas) as emulator:
        folders = [folder / str(number) for number in range(ROUNDS)]
        for each in folders:
            each.mkdir()
        return [start(deploy(image, emulator, redis.url, each)) for each in folders]


def main() -> None:
    """Print one table."""
    with unpacked() as image, tempfile.TemporaryDirectory() as folder:
        times = measure(image, Path(folder))
        unpacked_size = sum(path.lstat().st_size for path in image.root.rglob("*"))
        archive = Path(folder, "archive.tar")
        run("buildah", "push", "--quiet", "--format", "oci", NAME, f"oci-archive:{archive}")
        size = archive.stat().st_size
    click.echo(f"{NAME}: {unpacked_size / 1e6:.1f} MB, {size / 1e6:.1f} MB compressed")
    for what, seconds in zip(FIGURES, zip(*times, strict=True), strict=True):
        spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
        click.echo(f"{what}: {median(seconds):.2f} s (median of {ROUNDS}; {spread})")


if __name__ == "__main__":
    main()
