"""What operators see of a real broker: metrics and health are those of the pod, not of a worker."""

import os
import re
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from broker.emulator.server import EmulatorServer
from tests.integration.deployment import BrokerProcess, Deployment
from tests.servers import RedisServer, suspend

pytestmark = pytest.mark.sockets

PATIENCE = 15.0
WORKERS = 3
LAG = 0.3
"""Seconds by which an answer of a quarter of a second ago may be off."""
SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")


@pytest.fixture
def deployment(
    tmp_path: Path, emulator: EmulatorServer, valkey: RedisServer
) -> Iterator[Deployment]:
    """Run a broker of several workers that has a token."""
    settings = {
        "BROKER_WORKERS": str(WORKERS),
        "BROKER_REDIS_PREFIX": tmp_path.name,
        "BROKER_RUNTIME_DIR": str(tmp_path / "runtime"),
    }
    with Deployment(tmp_path, emulator, valkey.url, brokers=1, settings=settings) as running:
        running.wait_for_token()
        wait_until(lambda: metrics(running.brokers[0])["broker_workers{}"] == WORKERS)
        yield running


def text_of(broker: BrokerProcess, path: str) -> str:
    """Return what a path answers."""
    with urllib.request.urlopen(f"http://127.0.0.1:{broker.port}{path}", timeout=5) as answer:
        body: bytes = answer.read()
    return body.decode()


def metrics(broker: BrokerProcess) -> dict[str, float]:
    """Return the samples by name and labels."""
    found = map(SAMPLE.match, text_of(broker, "/metrics").splitlines())
    return {f"{m[1]}{{{m[2] or ''}}}": float(m[3]) for m in found if m}


def served(broker: BrokerProcess) -> float:
    """Return how many tokens were served, by the metrics."""
    name = 'broker_token_requests_total{outcome="served",state="fresh"}'
    return metrics(broker)[name]


def health(broker: BrokerProcess) -> Any:
    """Return the body of health."""
    return broker.get("/health").body


def wait_until(true: Callable[[], bool]) -> None:
    """Wait for it, within bounds."""
    until = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_requests_are_counted_over_all_workers(deployment: Deployment) -> None:
    """Whoever answers the scrape; and over the death of a worker."""
    (broker,) = deployment.brokers
    before = served(broker)
    for _ in range(60):
        assert deployment.token().status == 200
    assert {served(broker) for _ in range(10)} == {before + 60}
    victim = broker.workers()[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: victim not in broker.workers() and len(broker.workers()) == WORKERS)
    wait_until(lambda: metrics(broker)["broker_workers{}"] == WORKERS)
    assert served(broker) == before + 60
    deployment.token()
    assert served(broker) == before + 61


def test_the_countdown_is_true_between_two_scrapes(deployment: Deployment) -> None:
    """It does not stand still between two refreshes."""
    (broker,) = deployment.brokers
    name = 'broker_token_expires_in_seconds{organization="acme",token="access"}'
    began, first, least = time.monotonic(), metrics(broker)[name], time.monotonic()
    time.sleep(1.1)
    until, second, end = time.monotonic(), metrics(broker)[name], time.monotonic()
    assert until - least - LAG <= first - second <= end - began + LAG


def told(broker: BrokerProcess) -> dict[str, str]:
    """Return the status of each worker, by its process id."""
    workers = health(broker)["checks"]["workers"]
    return {one["componentId"]: one["status"] for one in workers}


def test_health_names_every_worker(deployment: Deployment) -> None:
    """Also the one that hangs, in time."""
    (broker,) = deployment.brokers
    pids = sorted(map(str, broker.workers()))
    # Each worker may give an answer of a quarter of a second ago.
    wait_until(lambda: sorted(told(broker)) == pids)
    hung = broker.workers()[0]
    suspend(hung)
    try:
        expected = {pid: "warn" if pid == str(hung) else "pass" for pid in pids}
        wait_until(lambda: told(broker) == expected)
        assert broker.get("/health").seconds < 4.5
        wait_until(lambda: metrics(broker)["broker_workers{}"] == WORKERS - 1)
    finally:
        os.kill(hung, signal.SIGCONT)
    wait_until(lambda: health(broker)["status"] == "pass")


def test_health_is_the_same_whoever_answers(deployment: Deployment) -> None:
    """The last refresh was one worker's; all tell of it."""
    (broker,) = deployment.brokers
    wait_until(lambda: len(health(broker)["checks"]["organization:token"][0]["recent"]) == 1)

    def kinds() -> list[str]:
        (token,) = health(broker)["checks"]["organization:token"]
        return [event["kind"] for event in token["recent"]]

    seen = []
    for _ in range(12):
        seen.append(kinds())
        time.sleep(0.05)
    assert seen == [["authenticate"]] * 12


def test_nothing_is_left_behind(deployment: Deployment, tmp_path: Path) -> None:
    """No socket in the folder after a stop."""
    assert len(list((tmp_path / "runtime" / "workers").iterdir())) == WORKERS
    assert deployment.brokers[0].terminate() == 0
    assert list((tmp_path / "runtime" / "workers").iterdir()) == []
