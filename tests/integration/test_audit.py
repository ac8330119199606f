"""The audit of real processes: complete, apart from the log, and unable to slow anybody."""

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from broker.emulator.server import EmulatorServer
from tests.integration.deployment import Deployment, Reply
from tests.servers import RedisServer

pytestmark = pytest.mark.sockets

PATIENCE = 10.0
REQUESTS = 300


def lines(text: str) -> list[dict[str, Any]]:
    """Return the lines of the audit among others."""
    found = [json.loads(line) for line in text.splitlines()]
    return [line for line in found if line.get("log") == "audit"]


def wait_for_lines(path: Path, count: int) -> list[dict[str, Any]]:
    """Wait until so many have been written."""
    until = time.monotonic() + PATIENCE
    while len(found := lines(path.read_text())) < count:
        assert time.monotonic() < until, found
        time.sleep(0.05)
    return found


def deploy(tmp_path: Path, emulator: EmulatorServer, redis: RedisServer, where: str) -> Deployment:
    """Return a broker of two workers that writes its audit there."""
    settings = {"BROKER_AUDIT_LOG": where, "BROKER_REDIS_PREFIX": tmp_path.name}
    return Deployment(tmp_path, emulator, redis.url, brokers=1, settings=settings)


def ask_often(deployment: Deployment) -> list[Reply]:
    """Let several callers ask at once, each for a while."""
    replies: list[Reply] = []

    def ask() -> None:
        replies.extend(deployment.token() for _ in range(REQUESTS // 10))

    threads = [threading.Thread(target=ask) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return replies


def test_each_token_has_its_line_in_a_file(
    tmp_path: Path, emulator: EmulatorServer, valkey: RedisServer
) -> None:
    """Written by two workers, also over a rotation and a stop; the log holds none of it."""
    path = tmp_path / "audit.log"
    with deploy(tmp_path, emulator, valkey, str(path)) as deployment:
        first = deployment.wait_for_token()
        before = len(wait_for_lines(path, 1))
        replies = ask_often(deployment)
        found = wait_for_lines(path, before + REQUESTS)
        assert len(found) == before + REQUESTS
        ids = [line["request_id"] for line in found]
        assert len(set(ids)) == len(ids)
        assert {reply.headers["X-Request-ID"] for reply in replies} <= set(ids)
        served = found[-1]
        assert served["caller"] == "app"
        assert served["organization"] == "acme"
        assert served["generation"] == first.body["generation"]
        assert served["remote"] == "127.0.0.1"
        path.rename(tmp_path / "audit.log.1")
        refused = deployment.brokers[0].get("/token", "wrong")
        last = deployment.token()
        assert deployment.brokers[0].terminate() == 0
        after = lines(path.read_text())
        assert {line["request_id"] for line in after} == {
            refused.headers["X-Request-ID"],
            last.headers["X-Request-ID"],
        }
        assert {line["outcome"] for line in after} == {"invalid_token", "served"}
        assert not lines(deployment.brokers[0].log())
        assert deployment.key not in path.read_text()


def test_without_a_setting_it_is_among_the_log(
    tmp_path: Path, emulator: EmulatorServer, valkey: RedisServer
) -> None:
    """On standard output, each line marked as the audit's."""
    with deploy(tmp_path, emulator, valkey, "stdout") as deployment:
        reply = deployment.wait_for_token()
        assert deployment.brokers[0].terminate() == 0
        ids = [line["request_id"] for line in lines(deployment.brokers[0].log())]
        assert reply.headers["X-Request-ID"] in ids


def test_a_reader_that_has_stopped_slows_nobody(
    tmp_path: Path, emulator: EmulatorServer, valkey: RedisServer
) -> None:
    """The pipe is full; requests are answered as before, and the broker stops in time."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with deploy(tmp_path, emulator, valkey, str(pipe)) as deployment:
            deployment.wait_for_token()
            replies = ask_often(deployment) + ask_often(deployment) + ask_often(deployment)
            assert {reply.status for reply in replies} == {200}
            assert max(reply.seconds for reply in replies) < 4.5
            began = time.monotonic()
            assert deployment.brokers[0].terminate() == 0
            assert time.monotonic() - began < PATIENCE
    finally:
        os.close(reader)
