"""Real processes at the most talkative level: what they print, answer, store and are started by."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from broker.emulator.server import EmulatorServer
from tests.canary.finder import Finder
from tests.canary.stage import (
    CONSUMER,
    HASTE,
    KNOWN,
    REDIS_PASSWORD_IN_URL,
    SECRET_KEY,
    SLOW,
    WRONG_KEY,
    dump,
    minted,
)
from tests.integration.deployment import START_LIMIT, BrokerProcess, Deployment, Reply
from tests.redis.nodes import wait_until
from tests.servers import RedisServer

pytestmark = pytest.mark.sockets

FAULTS = (
    {"drop": "answer"},
    {"body": "truncated"},
    {"body": "wrong_types"},
    {"status": 500, "body": "html"},
    {"latency": SLOW},
    {"status": 404, "calls": "refresh"},
)
PATHS = ("/health", "/health/live", "/health/ready", "/metrics", "/status", "/openapi.json", "/no")
MALFORMED = (
    f"GET /token HTTP/1.1\r\nAuthorization Bearer {WRONG_KEY}\r\n\r\n",
    f"GET /token?key={WRONG_KEY}&{'x' * 3000} HTTP/1.1\r\n\r\n",
    f"{WRONG_KEY}\r\n\r\n",
    f"GET /token HTTP/1.1\r\nContent-Length: {WRONG_KEY}\r\n\r\n",
)


@pytest.fixture
def deployment(
    tmp_path: Path, emulator: EmulatorServer, guarded: RedisServer
) -> Iterator[Deployment]:
    """Start one broker with canaries for secrets."""
    url = f"redis://:{REDIS_PASSWORD_IN_URL}@127.0.0.1:{guarded.port}/0"
    settings = {**HASTE, "BROKER_LOG_LEVEL": "debug", "BROKER_REDIS_PREFIX": tmp_path.name}
    fleet = Deployment(tmp_path, emulator, url, brokers=1, settings=settings)
    fleet.write_credentials(CONSUMER, SECRET_KEY)
    with fleet:
        yield fleet


def send(broker: BrokerProcess, request: str) -> str:
    """Send a request as it is; return the whole answer, headers included."""
    answer = b""
    with socket.create_connection(("127.0.0.1", broker.port), timeout=10) as wire:
        wire.sendall(request.encode())
        while piece := wire.recv(65536):
            answer += piece
    return answer.decode("latin-1")


def ask(broker: BrokerProcess, path: str, key: str) -> str:
    """Ask as a caller does; return the whole answer."""
    head = f"GET {path} HTTP/1.1\r\nHost: broker\r\nConnection: close\r\n"
    return send(broker, f"{head}Authorization: Bearer {key}\r\n\r\n")


def command_lines(pids: list[int]) -> str:
    """Return how these processes were started, and as what they show themselves."""
    files = [Path(f"/proc/{pid}/{name}") for pid in pids for name in ("cmdline", "comm", "status")]
    return "\n".join(file.read_bytes().decode("latin-1") for file in files)


def play(deployment: Deployment) -> list[str]:
    """Go through faults, questions and a death; return all answers but the tokens given."""
    broker, emulator = deployment.brokers[0], deployment.emulator
    deployment.wait_for_token()
    with reporting(deployment) as replies:
        for fault in FAULTS:
            emulator.fault(**fault, times=2)
            wait_until(lambda: not emulator.controls.faults.shown(), START_LIMIT)
    deployment.wait_for_token()
    answers = [f"{reply.body} {reply.headers}" for reply in replies if reply.status != 200]
    answers += [ask(broker, path, deployment.key) for path in PATHS]
    answers += [ask(broker, f"/token?key={WRONG_KEY}", WRONG_KEY), ask(broker, "/token", CONSUMER)]
    answers += [send(broker, request) for request in MALFORMED]
    lose_a_worker(deployment)
    return answers


def lose_a_worker(deployment: Deployment) -> None:
    """Pause the worker whose call Canvas holds, then kill it; wait until a token is served."""
    emulator = deployment.emulator
    emulator.fault(hold="before", times=None)
    with reporting(deployment):
        _, worker = deployment.suspend_holder()
        time.sleep(0.2)
        os.kill(worker, signal.SIGKILL)
    emulator.release()
    deployment.wait_for_token()


@contextmanager
def reporting(deployment: Deployment) -> Iterator[list[Reply]]:
    """Report the token of the moment as refused, again and again; collect the answers."""
    stopped, replies = threading.Event(), list[Reply]()

    def report() -> None:
        while not stopped.wait(0.05):
            reply = deployment.token()
            if reply.status == 200:
                replies.append(deployment.token(rejected=reply.body["generation"]))

    reporter = threading.Thread(target=report)
    reporter.start()
    try:
        yield replies
    finally:
        stopped.set()
        reporter.join()


def test_nothing_is_shown(
    deployment: Deployment, emulator: EmulatorServer, guarded: RedisServer
) -> None:
    """Not in answers, in Redis, in the arguments of a process or in its output to the very end."""
    with deployment.hammering() as replies:
        answers = play(deployment)
    answers += [f"{r.body} {r.headers}" for r in replies if r.status != 200]
    finder = Finder(*KNOWN, deployment.key, *minted(emulator.canvas))
    assert len(minted(emulator.canvas)) > 2
    assert finder.leaks("\n".join(answers)) == []
    assert finder.leaks(dump(guarded)) == []
    broker = deployment.brokers[0]
    assert broker._process
    assert guarded._process
    pids = [broker._process.pid, *broker.workers(), guarded._process.pid]
    assert finder.leaks(command_lines(pids)) == []
    assert broker.terminate() == 0
    assert '"upstream.failed"' in broker.log()
    assert finder.leaks(broker.log()) == []
