"""From URL to client, and what a Redis that does not answer costs."""

import time
from typing import Any

import pytest

from broker.clock import SystemClock
from broker.errors import StoreUnavailableError
from broker.limits import Limits
from broker.store.breaker import Breaker
from broker.store.connect import connect
from broker.store.connections import SET_UP_TIMEOUT, TCP_TIMEOUT
from broker.store.scripts import Scripts
from broker.urls import AddressError
from tests.servers import SLACK, RedisServer, free_port

KEYS = [f"test:{{connect}}:name:{part}" for part in ("record", "lease", "backoff", "report")]
LIVES = (25_000, 900_000, 60_000)
"""Of a lease, a backoff and a report, in ms."""
LIMITS = Limits()


def scripts(url: str) -> Scripts:
    """Return the scripts on a client for ``url``."""
    return Scripts(connect(url, LIMITS), Breaker(SystemClock(), 1.0))


@pytest.mark.sockets
def test_a_connection_costs_no_greeting(valkey: RedisServer) -> None:
    """The broker sends its scripts and nothing else: the smallest ACL rule set is enough."""
    with valkey.client() as client:
        client.config_resetstat()
        scripts(valkey.url).run("read", KEYS, *LIVES, 0)
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
        scripts(f"redis://127.0.0.1:{free_port()}/0").run("read", KEYS, *LIVES, 0)
    assert str(caught.value) == "Redis failed: refused"
    assert caught.value.__context__ is None


@pytest.mark.sockets
def test_hung_redis_is_bounded(valkey_of_its_own: RedisServer) -> None:
    """A Redis that accepts and stays silent costs at most 1.5 s, its one retry included."""
    run = scripts(valkey_of_its_own.url).run
    run("read", KEYS, *LIVES, 0)
    valkey_of_its_own.hang()
    began = time.monotonic()
    with pytest.raises(StoreUnavailableError):
        run("read", KEYS, *LIVES, 0)
    assert time.monotonic() - began <= LIMITS.redis_worst + SLACK
    valkey_of_its_own.resume()


@pytest.mark.sockets
def test_restarted_redis_is_found_again(valkey_of_its_own: RedisServer) -> None:
    """One retry bridges a restart: the scripts are sent anew, the dead connection is dropped."""
    run = scripts(valkey_of_its_own.url).run
    run("read", KEYS, *LIVES, 0)
    valkey_of_its_own.stop()
    valkey_of_its_own.start()
    assert run("read", KEYS, *LIVES, 0)[1][0].split()[2] == b"0"


def made(url: str) -> Any:
    """Return the client of redis-py that is made for ``url``."""
    return connect(url, LIMITS).client()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://user:p%40ss@host:7000/3", {"host": "host", "port": 7000, "db": 3}),
        ("rediss://host", {"host": "host"}),
        ("rediss://host?ssl_ca_certs=/ca.pem", {"ssl_ca_certs": "/ca.pem"}),
        ("redis://[::1]:7000", {"host": "::1", "port": 7000}),
        ("unix:///run/redis.sock", {"path": "/run/redis.sock"}),
    ],
)
def test_standalone_urls(url: str, expected: dict[str, object]) -> None:
    """Each form of address is understood."""
    pool = made(url).connection_pool
    assert expected.items() <= pool.connection_kwargs.items()
    assert pool.connection_kwargs["socket_connect_timeout"] == TCP_TIMEOUT
    assert pool.connection_kwargs["socket_timeout"] == SET_UP_TIMEOUT
    assert pool.connection_kwargs["reply_timeout"] == 0.5
    assert pool.max_connections > 1
    assert pool.connection_kwargs["socket_read_size"] <= 8192


@pytest.mark.parametrize("option", ["socket_timeout=60", "max_connections=1"])
def test_no_url_lifts_a_limit(option: str) -> None:
    """It is refused, as it is by the settings."""
    with pytest.raises(AddressError):
        made(f"redis://host?{option}")


def test_the_login_of_a_url() -> None:
    """It is told at each connection."""
    assert login_of(made("redis://user:p%40ss@host").connection_pool.connection_kwargs) == (
        "user",
        "p@ss",
    )


def login_of(options: dict[str, Any]) -> tuple[str, ...]:
    """Return the arguments of AUTH of a connection that is made with these options."""
    login: tuple[str, ...] = options["credential_provider"].get_credentials()
    return login


def sentinels(pool: Any) -> list[dict[str, Any]]:
    """Return what each sentinel is connected with."""
    return [one.connection_pool.connection_kwargs for one in pool.sentinel_manager.sentinels]


def test_sentinel_url() -> None:
    """Sentinels, service, login and database come out of one URL."""
    pool = made(
        "redis+sentinel://user:p%40ss@one:26379,[::1]:26379,three:5/primary/2"
    ).connection_pool
    addresses = [(one["host"], one["port"]) for one in sentinels(pool)]
    assert addresses == [("one", 26379), ("::1", 26379), ("three", 5)]
    assert pool.service_name == "primary"
    assert login_of(pool.connection_kwargs) == ("user", "p@ss")
    assert pool.connection_kwargs["db"] == 2
    assert {login_of(one) for one in sentinels(pool)} == {()}


def test_sentinels_have_their_own_login_and_the_same_tls() -> None:
    """The password of Redis does not go to the sentinels, nor theirs to Redis."""
    query = "ssl_ca_certs=/ca.pem&sentinel_username=watch&sentinel_password=other%21"
    pool = made(f"rediss+sentinel://me:pass@one:1/primary?{query}").connection_pool
    (sentinel,) = sentinels(pool)
    assert login_of(sentinel) == ("watch", "other!")
    assert login_of(pool.connection_kwargs) == ("me", "pass")
    for each, longest in ((sentinel, TCP_TIMEOUT), (pool.connection_kwargs, 0.5)):
        assert each["ssl_ca_certs"] == "/ca.pem"
        assert each["reply_timeout"] == longest


@pytest.mark.sockets
def test_sentinels_are_left_once_they_were_asked(valkey: RedisServer) -> None:
    """A set-up that needs one connects anew."""
    client: Any = connect(f"redis+sentinel://127.0.0.1:{valkey.port}/primary", LIMITS)
    (sentinel,) = client.client().connection_pool.sentinel_manager.sentinels
    held = sentinel.connection_pool.get_connection()
    client.close_unused()
    assert held.is_connected
    sentinel.connection_pool.release(held)
    client.close_unused()
    assert not held.is_connected


def test_a_login_that_changes() -> None:
    """Each connection has that of its moment, in place of the first; the sentinels have theirs."""
    urls = ["redis+sentinel://first:word@one:1/primary"]
    client: Any = connect(urls[0], LIMITS, current=lambda: urls[-1]).client()
    pool = client.connection_pool
    both = [pool.connection_kwargs, *sentinels(pool)]
    assert all(one.keys().isdisjoint({"username", "password"}) for one in both)
    assert list(map(login_of, both)) == [("first", "word"), ()]
    urls.append("redis+sentinel://:p%20a@one:1/primary?sentinel_username=s&sentinel_password=t%26")
    assert list(map(login_of, both)) == [("p a",), ("s", "t&")]


def test_absent_cluster_does_not_stop_the_start() -> None:
    """A cluster is asked for its layout at the first use, not when the client is made."""
    client = connect(f"redis+cluster://127.0.0.1:{free_port()}", LIMITS)
    with pytest.raises(StoreUnavailableError):
        Scripts(client, Breaker(SystemClock(), 1.0)).run("read", KEYS, *LIVES, 0)
