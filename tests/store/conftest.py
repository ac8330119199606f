from collections.abc import Iterator

import fakeredis
import pytest

from tests.servers import RedisServer
from tests.store.harness import Harness, MemoryHarness, RedisHarness

STORES = [
    "memory",
    "fakeredis",
    pytest.param("redis7", marks=pytest.mark.sockets),
    pytest.param("valkey", marks=pytest.mark.sockets),
]


@pytest.fixture(params=STORES)
def harness(request: pytest.FixtureRequest) -> Iterator[Harness]:
    """Each record store in turn, with a fresh organization."""
    if request.param == "memory":
        yield MemoryHarness()
        return
    if request.param == "fakeredis":
        yield RedisHarness(fakeredis.FakeRedis(), server_name="fake")
        return
    server: RedisServer = request.getfixturevalue(request.param)
    with server.client() as client:
        yield RedisHarness(client)
