"""A name server that is silent, just when a connection to Redis is wanted."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from broker.emulator.server import EmulatorServer
from tests.chaos import silent_names
from tests.chaos.judge import RECOVERY_LIMIT, REQUEST_LIMIT
from tests.integration.deployment import Deployment
from tests.redis.nodes import wait_until
from tests.servers import RedisServer

pytestmark = pytest.mark.sockets


@contextmanager
def silence(file: Path, redis: RedisServer) -> Iterator[None]:
    """Let no name be answered, and no connection to Redis stand."""
    file.touch()
    with redis.client() as client:
        client.client_kill_filter(_type="normal", skipme=True)
    yield
    file.unlink()


def test_no_request_waits_for_a_name(
    tmp_path: Path, emulator: EmulatorServer, valkey_of_its_own: RedisServer
) -> None:
    """Who has to look at Redis, and who reports, is answered in time; a plain request is served.

    A request looks itself if its organization was idle, or if it names a newer token than is known.
    """
    emulator.fault(access_lifetime_authenticate=600)
    settings = {
        "BROKER_REPORT_INTERVAL": "1",
        "BROKER_REPORT_MIN_AGE": "0.1",
        "BROKER_WORKERS": "1",
    }
    deployment = Deployment(tmp_path, emulator, valkey_of_its_own.url, brokers=1, settings=settings)
    (broker,), file = deployment.brokers, tmp_path / "silent"
    broker.command = (sys.executable, "-P", silent_names.__file__, str(file), "serve")
    with deployment:
        generation = deployment.wait_for_token().body["generation"]
        with silence(file, valkey_of_its_own):
            looked = [deployment.token(rejected=generation + 1) for _ in range(4)]
            reports = [deployment.token(rejected=generation) for _ in range(4)]
            plain = [deployment.token() for _ in range(4)]
        assert {reply.status for reply in looked} == {200}
        assert {reply.status for reply in reports} == {503}
        assert {reply.body.get("generation") for reply in plain} == {generation}
        assert max(reply.seconds for reply in [*looked, *reports, *plain]) < REQUEST_LIMIT
        wait_until(lambda: deployment.token(rejected=generation).status == 200, RECOVERY_LIMIT)
