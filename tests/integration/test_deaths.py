"""``kill -9`` at the two worst moments: Canvas has the request; Canvas has just answered."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.emulator.server import EmulatorServer
from tests.integration.deployment import Deployment, Reply
from tests.servers import RedisServer

pytestmark = [pytest.mark.sockets, pytest.mark.slow]

SHORT_LEASE = {
    "BROKER_UPSTREAM_TIMEOUT": "2",
    "BROKER_UPSTREAM_CONNECT_TIMEOUT": "1",
    "BROKER_WAIT": "0.5",
    "BROKER_LEASE": "13",
    "BROKER_LEASE_RESERVE": "3",
    "BROKER_REPORT_MIN_AGE": "0.1",
}
HAMMERING = 6
RECOVERY = 13 + 4


@pytest.fixture
def deployment(
    tmp_path: Path, emulator: EmulatorServer, valkey_of_its_own: RedisServer
) -> Iterator[Deployment]:
    """Start a fleet that has a token, with a lease that the test can outlast."""
    with Deployment(tmp_path, emulator, valkey_of_its_own.url, settings=SHORT_LEASE) as fleet:
        fleet.wait_for_token()
        time.sleep(0.2)
        yield fleet


def cause_refresh(deployment: Deployment) -> int:
    """Report the current token as refused, so that it is refreshed now; return its generation."""
    generation: int = deployment.token().body["generation"]
    reply = deployment.token(rejected=generation)
    assert reply.status == 503
    return generation


def assert_unnoticed(replies: list[Reply]) -> None:
    """Check that no broker refused anybody: only what the dead worker was serving is cut off."""
    broken = [reply for reply in replies if reply.status != 200]
    assert not [reply for reply in broken if reply.status]
    assert len(broken) <= HAMMERING
    assert len(replies) > 50


def assert_survived(deployment: Deployment, generation: int) -> None:
    """Check that a successor authenticated, and that no refresh token was presented again."""
    deployment.wait_for_newer(generation)
    assert deployment.calls() == {"authenticate": 2, "refresh": 1}
    assert deployment.emulator.stats()["presented_twice"] == 0


def test_while_canvas_holds_the_request(deployment: Deployment) -> None:
    """The lease runs out, the mark stands, a successor authenticates; callers keep the token."""
    emulator = deployment.emulator
    emulator.fault(hold="before", calls="refresh")
    with deployment.hammering(HAMMERING) as replies:
        generation = cause_refresh(deployment)
        emulator.wait_held()
        _, worker = deployment.suspend_holder()
        os.kill(worker, signal.SIGKILL)
        emulator.release()
        time.sleep(RECOVERY)
    assert_unnoticed(replies)
    assert_survived(deployment, generation)


def test_just_after_canvas_answered(deployment: Deployment) -> None:
    """The new pair dies with the worker, its refresh token never seen: authenticate again.

    The worker is stopped while Canvas answers, so that the answer lies before it unread.
    """
    emulator = deployment.emulator
    emulator.fault(hold="after", calls="refresh")
    with deployment.hammering(HAMMERING) as replies:
        generation = cause_refresh(deployment)
        emulator.wait_held()
        _, worker = deployment.suspend_holder()
        emulator.release()
        while emulator.stats()["in_flight"]:
            time.sleep(0.01)
        os.kill(worker, signal.SIGKILL)
        time.sleep(RECOVERY)
    assert_unnoticed(replies)
    assert_survived(deployment, generation)
