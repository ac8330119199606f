"""A broker whose standard output nobody reads serves, refreshes, replaces workers and ends."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from broker.emulator.server import EmulatorServer
from tests.integration.deployment import SERVE, START_LIMIT, BrokerProcess, Deployment
from tests.integration.stalled import StalledPipe
from tests.servers import RedisServer

pytestmark = pytest.mark.sockets

REFRESHES = 3
OLD_ENOUGH = 0.2
CLOSING = ("sh", "-c", 'exec "$@" >&-', "sh")


def deploy(
    tmp_path: Path, emulator: EmulatorServer, redis: RedisServer, pipe: StalledPipe, brokers: int
) -> Deployment:
    """Return brokers, of which the first writes to the pipe; reports are taken at once."""
    settings = {
        "BROKER_REDIS_PREFIX": tmp_path.name,
        "BROKER_REPORT_MIN_AGE": "0.1",
        "BROKER_REPORT_INTERVAL": "0.1",
        "BROKER_REQUEST_LOG": "1",
    }
    made = Deployment(tmp_path, emulator, redis.url, brokers=brokers, settings=settings)
    made.brokers[0].output = pipe.writing
    return made


def refresh(deployment: Deployment) -> None:
    """Let the first broker refresh, which reports the token, and wait until all have the new one.

    Any of its threads would hang at its first line, and with it the lease.
    """
    generation = deployment.wait_for_token().body["generation"]
    time.sleep(OLD_ENOUGH)  # a token younger than BROKER_REPORT_MIN_AGE is not doubted
    deployment.token(rejected=generation)
    for broker in deployment.brokers:
        broker.wait_for(
            "/token",
            lambda reply: reply.status == 200 and reply.body["generation"] > generation,
            deployment.key,
        )


def replace_a_worker(broker: BrokerProcess) -> None:
    """Kill a worker and wait until the master has made another."""
    before = set(broker.workers())
    os.kill(min(before), signal.SIGKILL)
    until = time.monotonic() + START_LIMIT
    while len(set(broker.workers()) - {min(before)}) < len(before):
        assert time.monotonic() < until
        time.sleep(0.1)


def test_nobody_notices(tmp_path: Path, emulator: EmulatorServer, valkey: RedisServer) -> None:
    """Each refresh succeeds, all answers are tokens, probes pass, and SIGTERM ends it with 0."""
    with (
        StalledPipe() as pipe,
        deploy(tmp_path, emulator, valkey, pipe, brokers=2) as deployment,
    ):
        deployment.wait_for_token()
        with deployment.hammering() as replies:
            for _ in range(REFRESHES):
                refresh(deployment)
        assert {reply.status for reply in replies} == {200}
        stalled = deployment.brokers[0]
        assert stalled.get("/health/live").status == stalled.get("/health/ready").status == 200
        replace_a_worker(stalled)
        refresh(deployment)
        assert stalled.terminate() == 0


def test_lines_flow_when_it_is_read_again(
    tmp_path: Path, emulator: EmulatorServer, valkey: RedisServer
) -> None:
    """Those that waited, of master and workers, and all others to the very last."""
    with (
        StalledPipe() as pipe,
        deploy(tmp_path, emulator, valkey, pipe, brokers=1) as deployment,
    ):
        deployment.wait_for_token()
        assert not pipe.lines()
        pipe.flow()
        assert deployment.brokers[0].terminate() == 0
    lines: list[dict[str, Any]] = [json.loads(line) for line in pipe.lines()]
    told = [line["event"] for line in lines]
    assert told[0] == "service.settings"
    assert lines[-1]["place"].startswith("arbiter.halt:")
    assert {"token.refreshed", "token.served", "request.answered"} <= set(told)
    assert told.count("service.stopped") == 2
    assert "log.lost" not in told


def test_a_closed_standard_output_is_no_other_file(
    tmp_path: Path, emulator: EmulatorServer, valkey: RedisServer
) -> None:
    """Nor a connection that is given its number; the lines go to standard error."""
    deployment = Deployment(tmp_path, emulator, valkey.url, brokers=1)
    broker = deployment.brokers[0]
    broker.command = (*CLOSING, *SERVE)
    with deployment:
        deployment.wait_for_token()
        assert broker.terminate() == 0
    lines = [json.loads(line) for line in broker.log().splitlines()]
    told = [line["event"] for line in lines]
    assert told[0] == "service.settings"
    assert lines[-1]["place"].startswith("arbiter.halt:")
    assert {"token.refreshed", "token.served"} <= set(told)
