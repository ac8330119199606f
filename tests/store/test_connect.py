"""From URL to client, and what a Redis that does not answer costs."""

import time

import pytest

from broker.clock import SystemClock
from broker.errors import StoreUnavailableError
from broker.limits import Limits
from broker.store.breaker import Breaker
from broker.store.connect import connect
from broker.store.scripts import Scripts
from tests.servers import RedisServer, free_port

KEYS = [f"test:{{connect}}:name:{part}" for part in ("record", "lease", "backoff", "report")]
LIMITS = Limits()


def scripts(url: str) -> Scripts:
    """Return the scripts on a client for ``url``."""
    return Scripts(connect(url, LIMITS), Breaker(SystemClock(), 1.0))


@pytest.mark.sockets
def test_a_connection_costs_no_greeting(valkey: RedisServer) -> None:
    """The broker sends its scripts and nothing else: the smallest ACL rule set is enough."""
    with valkey.client() as client:
        client.config_resetstat()
        scripts(valkey.url).run("read", KEYS, 0)
        used = {name.removeprefix("cmdstat_") for name in client.info("commandstats")}
    assert used - {"config|resetstat", "info"} <= {
        "evalsha",
        "eval",
        "time",
        "hget",
        "hmget",
        "pttl",
        "client|setinfo",
    }


@pytest.mark.sockets
def test_nobody_listens() -> None:
    """A refused connection is an unavailable store, told without address."""
    with pytest.raises(StoreUnavailableError) as caught:
        scripts(f"redis://127.0.0.1:{free_port()}/0").run("read", KEYS, 0)
    assert str(caught.value) == "Redis failed: ConnectionError"
    assert caught.value.__context__ is None


@pytest.mark.sockets
def test_hung_redis_is_bounded(valkey_of_its_own: RedisServer) -> None:
    """A Redis that accepts and stays silent costs at most 1.5 s, its one retry included."""
    run = scripts(valkey_of_its_own.url).run
    run("read", KEYS, 0)
    valkey_of_its_own.hang()
    began = time.monotonic()
    with pytest.raises(StoreUnavailableError):
        run("read", KEYS, 0)
    assert time.monotonic() - began <= LIMITS.redis_worst + 0.3
    valkey_of_its_own.resume()


@pytest.mark.sockets
def test_restarted_redis_is_found_again(valkey_of_its_own: RedisServer) -> None:
    """One retry bridges a restart: the scripts are sent anew, the dead connection is dropped."""
    run = scripts(valkey_of_its_own.url).run
    run("read", KEYS, 0)
    valkey_of_its_own.stop()
    valkey_of_its_own.start()
    assert run("read", KEYS, 0)[1] == b"0"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://user:p%40ss@host:7000/3", {"username": "user", "password": "p@ss", "db": 3}),
        ("rediss://host", {"host": "host"}),
        ("unix:///run/redis.sock", {"path": "/run/redis.sock"}),
        ("redis://host?socket_timeout=60", {"socket_timeout": 0.5}),
    ],
)
def test_standalone_urls(url: str, expected: dict[str, object]) -> None:
    """Each form of address is understood, and none can lift a limit."""
    pool = connect(url, LIMITS).connection_pool  # type: ignore[attr-defined] # a real client
    assert expected.items() <= pool.connection_kwargs.items()
    assert pool.connection_kwargs["socket_connect_timeout"] == 0.25


def test_sentinel_url() -> None:
    """Sentinels, service, login and database come out of one URL."""
    url = "redis+sentinel://user:p%40ss@one:26379,two,three:5/primary/2"
    pool = connect(url, LIMITS).connection_pool  # type: ignore[attr-defined] # a real client
    addresses = [
        (s.connection_pool.connection_kwargs["host"], s.connection_pool.connection_kwargs["port"])
        for s in pool.sentinel_manager.sentinels
    ]
    assert addresses == [("one", 26379), ("two", 26379), ("three", 5)]
    assert pool.service_name == "primary"
    assert pool.connection_kwargs["password"] == "p@ss"
    assert pool.connection_kwargs["db"] == 2


def test_absent_cluster_does_not_stop_the_start() -> None:
    """A cluster is asked for its layout at the first use, not when the client is made."""
    client = connect(f"redis+cluster://127.0.0.1:{free_port()}", LIMITS)
    with pytest.raises(StoreUnavailableError):
        Scripts(client, Breaker(SystemClock(), 1.0)).run("read", KEYS, 0)
