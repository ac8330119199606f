from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import fakeredis
import pytest

from tests.servers import RedisServer, more_servers
from tests.store.harness import Harness, MemoryHarness, RedisHarness

STORES = [
    "memory",
    "fakeredis",
    pytest.param("redis7", marks=pytest.mark.sockets),
    pytest.param("valkey", marks=pytest.mark.sockets),
    *(pytest.param(binary, marks=pytest.mark.sockets) for binary in more_servers()),
]


@pytest.fixture(scope="session")
def others(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], RedisServer]]:
    """Return what gives the server of a binary, which runs until the end."""
    with ExitStack() as running:

        @cache
        def start(binary: str) -> RedisServer:
            server = RedisServer(binary, tmp_path_factory.mktemp("server"))
            return running.enter_context(server)

        yield start


@pytest.fixture(params=STORES)
def harness(
    request: pytest.FixtureRequest, others: Callable[[str], RedisServer]
) -> Iterator[Harness]:
    """Each record store in turn, with a fresh organization."""
    if request.param == "memory":
        yield MemoryHarness()
        return
    if request.param == "fakeredis":
        yield RedisHarness(fakeredis.FakeRedis(), server_name="fake")
        return
    if request.param in {"redis7", "valkey"}:
        server: RedisServer = request.getfixturevalue(request.param)
    else:
        server = others(request.param)
    with server.client() as client:
        yield RedisHarness(client)
