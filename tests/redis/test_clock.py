"""A real Valkey whose clock is set while it runs, real brokers, and a new one that starts.

Its clock is that of the machine as libfaketime shows it; the monotonic one is not touched.
"""

import os
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from broker.emulator.canvas import Behaviour, Canvas
from broker.emulator.server import EmulatorServer
from broker.ports import Failure, GrantStatus, Slot
from tests.integration.deployment import CONSUMER, SECRET_KEY, BrokerProcess, Deployment, Reply
from tests.servers import SteppableServer, libfaketime, valkey_binary
from tests.store.harness import RedisHarness
from tests.store.test_contract import record

pytestmark = pytest.mark.sockets
LIFETIME = 90.0
LEASE = 25.0
TEN_MINUTES = 600


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SteppableServer]:
    """Start a server whose clock can be set."""
    library = libfaketime()
    if library is None:
        assert not os.environ.get("CI"), "CI must have libfaketime"
        pytest.skip("no libfaketime on this machine")
    with SteppableServer(valkey_binary(), tmp_path, library) as started:
        yield started


@pytest.fixture
def harness(server: SteppableServer) -> Iterator[RedisHarness]:
    """Give an organization in it."""
    with server.client() as client:
        yield RedisHarness(client)


@pytest.mark.parametrize("seconds", [-TEN_MINUTES, TEN_MINUTES])
def test_the_clock_is_set(server: SteppableServer, harness: RedisHarness, seconds: int) -> None:
    """What this module rests on: TIME moves at once, and a key's end with it."""
    before = harness.now()
    harness.client.set("key", "value", px=700_000)
    server.set_clock(seconds)
    assert abs(harness.now() - before - seconds) < 60
    left = int(harness.client.pttl("key")) / 1000
    assert 40 < left <= 100 if seconds > 0 else 1240 < left <= 1300


def test_lease(server: SteppableServer, harness: RedisHarness) -> None:
    """A standing lease does not grow, and that it would have is no damage."""
    harness.store.acquire("a", 0, Slot.NONE)
    server.set_clock(-TEN_MINUTES)
    assert harness.store.read(0).lease_remaining <= LEASE
    assert harness.store.take_damage() == ()
    held = harness.store.acquire("b", 0, Slot.NONE)
    assert held.status is GrantStatus.HELD
    assert held.snapshot.lease_remaining <= LEASE


def test_backoff(server: SteppableServer, harness: RedisHarness) -> None:
    """A standing backoff does not grow."""
    harness.store.fail("a", 0, Failure("timeout", 30.0), clear_mark=False)
    server.set_clock(-TEN_MINUTES)
    backoff = harness.store.read(0).backoff
    assert backoff is not None
    assert backoff.remaining == 0


def test_record(server: SteppableServer, harness: RedisHarness) -> None:
    """A record of before the step counts as another server's; one of after it does not."""
    generation = harness.store.commit("a", 0, record(harness), None).generation
    server.set_clock(-TEN_MINUTES)
    assert harness.store.read(0).foreign
    again = harness.store.commit("b", generation, record(harness), None).generation
    assert again > generation
    assert not harness.store.read(0).foreign


@pytest.fixture
def deployment(tmp_path: Path, server: SteppableServer) -> Iterator[Deployment]:
    """Start one broker, and have another ready that is not there yet."""
    canvas = Canvas(
        {CONSUMER: SECRET_KEY},
        names={CONSUMER: "acme"},
        behaviour=Behaviour(
            access_lifetime_authenticate=LIFETIME,
            access_lifetime_refresh=LIFETIME,
            reuse_revokes_family=True,
        ),
    )
    with (
        EmulatorServer(canvas) as emulator,
        Deployment(tmp_path, emulator, server.url) as started,
    ):
        started.wait_for_token()
        yield started


def test_a_pod_that_starts(deployment: Deployment, server: SteppableServer) -> None:
    """It gives no token more life than it has, beside a pod that knows and all alone."""
    old, new = deployment.brokers
    began = deployment.token()
    generation = began.body["generation"]
    new.kill()
    old.wait_for("/token", lambda reply: reply.body["expires_in"] < LIFETIME - 8, deployment.key)
    server.set_clock(-TEN_MINUTES)
    first = _start(deployment, new)
    assert first.body["generation"] == generation
    assert deployment.calls() == {"authenticate": 1, "refresh": 0}
    old.kill()
    new.kill()
    server.set_clock(-TEN_MINUTES - 6)  # less than the record's age: TIME proves nothing
    _start(deployment, new)
    new.wait_for(
        "/token",
        lambda reply: reply.status == HTTPStatus.OK and reply.body["generation"] > generation,
        deployment.key,
    )


def _start(deployment: Deployment, broker: BrokerProcess) -> Reply:
    """Start a broker and look at all that it answers until it gives a token; return that."""

    def is_token(reply: Reply) -> bool:
        if reply.status != HTTPStatus.OK:
            return False
        canvas, token = deployment.emulator.canvas, reply.body["access_token"]
        assert canvas.whoami(token)
        left = canvas._access[token].expires - canvas._now() + time.monotonic() - reply.ended
        assert reply.body["expires_in"] <= left
        return True

    return broker.start().wait_for("/token", is_token, deployment.key)
