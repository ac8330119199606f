"""Two brokers of two workers each, a real Redis, the emulator over HTTP."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from broker.emulator.server import EmulatorServer
from tests.integration.deployment import Deployment, Reply
from tests.servers import RedisServer

pytestmark = pytest.mark.sockets

CALLERS = 200
LIFETIME = 50.0
"""Of a token: the least that is not a failure is 45 s. It turns stale at half its life."""
HELD = 3.0
LONG = {
    "BROKER_UPSTREAM_TIMEOUT": "30",
    "BROKER_LEASE": "125",
    "BROKER_LEASE_RESERVE": "40",
    "BROKER_GRACEFUL_TIMEOUT": "70",
}
"""A call may be held until the slowest broker has started."""


def ask_at_once(deployment: Deployment, callers: int) -> list[Reply]:
    """Let that many callers ask at the same moment, spread over the brokers."""
    start, replies = threading.Barrier(callers), []

    def ask(number: int) -> None:
        broker = deployment.brokers[number % len(deployment.brokers)]
        start.wait()
        replies.append(broker.get("/token", deployment.key))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return replies


def hold_a_refresh(emulator: EmulatorServer) -> tuple[float, float]:
    """Hold the next refresh open for some seconds; return when it began and ended to be held."""
    emulator.fault(hold="before", calls="refresh")
    emulator.wait_held(timeout=LIFETIME)
    began = time.monotonic()
    time.sleep(HELD)
    ended = time.monotonic()
    emulator.release()
    return began, ended


def test_cold_start(tmp_path: Path, emulator: EmulatorServer, valkey: RedisServer) -> None:
    """200 requests at once from cold cause exactly one Authenticate and get 200 answers of 200.

    Canvas is held open until all of them wait, so that they really come before the first token. One
    caller may have a third of the places, which are half of the threads: here all would find room
    in a single worker.
    """
    emulator.fault(hold="before")
    settings = {"BROKER_REDIS_PREFIX": "cold", "BROKER_THREADS": str(3 * CALLERS), **LONG}
    with Deployment(tmp_path, emulator, valkey.url, settings=settings) as deployment:
        for broker in deployment.brokers:
            broker.wait_for("/health/live", lambda reply: reply.status == 200)
        emulator.wait_held()
        release = threading.Timer(1.0, emulator.release)
        release.start()
        replies = ask_at_once(deployment, CALLERS)
        release.join()
        assert [reply.status for reply in replies] == [200] * CALLERS
        assert len({reply.body["generation"] for reply in replies}) == 1
        assert deployment.calls() == {"authenticate": 1, "refresh": 0}
        assert deployment.is_alive(replies[0].body["access_token"])


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_three_lifetimes(tmp_path: Path, emulator: EmulatorServer, valkey: RedisServer) -> None:
    """Each token is refreshed exactly once, and no caller waits for it or sees a dead token.

    One refresh is held open: every request of that time is answered before Canvas is let go.
    """
    canvas = emulator.canvas
    canvas.behaviour = replace(
        canvas.behaviour, access_lifetime_authenticate=LIFETIME, access_lifetime_refresh=LIFETIME
    )
    with Deployment(
        tmp_path, emulator, valkey.url, settings={"BROKER_REDIS_PREFIX": "three"}
    ) as deployment:
        first = deployment.wait_for_token()
        generation = first.body["generation"]
        held_from = held_until = 0.0
        with deployment.hammering() as replies:
            for refreshes in (1, 2, 3):
                if refreshes == 2:
                    held_from, held_until = hold_a_refresh(emulator)
                generation = deployment.wait_for_newer(generation).body["generation"]
                assert deployment.calls() == {"authenticate": 1, "refresh": refreshes}
            time.sleep(2)
        assert deployment.calls() == {"authenticate": 1, "refresh": 3}
        assert emulator.stats()["presented_twice"] == 0
        assert emulator.stats()["most_in_flight"] == 1
        assert {reply.status for reply in replies} == {200}
        assert min(reply.body["expires_in"] for reply in replies) > LIFETIME / 2 - HELD - 5
        during = [r for r in replies if held_from < r.began < held_until - 0.5]
        assert len(during) > 50
        assert all(reply.ended < held_until for reply in during)
        assert {reply.body["generation"] for reply in during} == {during[0].body["generation"]}


def test_stop(tmp_path: Path, emulator: EmulatorServer, valkey: RedisServer) -> None:
    """SIGTERM ends a broker with exit code 0, and a refresh in flight is still committed."""
    emulator.fault(hold="after")
    with Deployment(
        tmp_path, emulator, valkey.url, brokers=1, settings={"BROKER_REDIS_PREFIX": "stop"}
    ) as deployment:
        deployment.brokers[0].wait_for("/health/live", lambda reply: reply.status == 200)
        emulator.wait_held()
        release = threading.Timer(1.0, emulator.release)
        release.start()
        assert deployment.brokers[0].terminate() == 0
        release.join()
        deployment.brokers[0].start()
        assert deployment.wait_for_token().status == 200
        assert deployment.calls() == {"authenticate": 1, "refresh": 0}
