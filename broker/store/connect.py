"""From ``BROKER_REDIS_URL`` to a client whose every operation is bounded."""

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from redis import ConnectionPool, Redis, Sentinel
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.connection import parse_url
from redis.retry import Retry

from broker.limits import Limits
from broker.store.scripts import RedisClient

_SENTINEL_PORT = 26379


class LazyClient:
    """Makes the client on its first use, and again until that works.

    A cluster client asks the cluster for its layout when it is made: with this, a process can
    start while the cluster is away.
    """

    def __init__(self, make: Callable[[], RedisClient]) -> None:
        self._make = make
        self._client: RedisClient | None = None

    def evalsha(self, sha: str, numkeys: int, *keys_and_args: Any) -> Any:
        """Run a script by its SHA-1."""
        return self._get().evalsha(sha, numkeys, *keys_and_args)

    def eval(self, script: str, numkeys: int, *keys_and_args: Any) -> Any:
        """Run a script by its text."""
        return self._get().eval(script, numkeys, *keys_and_args)

    def _get(self) -> RedisClient:
        if self._client is None:
            self._client = self._make()
        return self._client


def connect(url: str, limits: Limits) -> RedisClient:
    """Return a client for ``url``; nothing is sent yet. Retries are the caller's, not redis-py's.

    RESP2 saves a round trip at each connection, and the broker needs nothing of RESP3.
    """
    bounded = {
        "socket_connect_timeout": limits.redis_connect_timeout,
        "socket_timeout": limits.redis_timeout,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "driver_info": None,
    }
    scheme = urlsplit(url).scheme
    if scheme == "redis+sentinel":
        return _by_sentinel(url, bounded)
    if scheme == "redis+cluster":
        options = _read(url.replace("redis+cluster", "redis", 1)) | bounded
        return LazyClient(lambda: RedisCluster(**options))
    return Redis(connection_pool=ConnectionPool(**(_read(url) | bounded)))


def _read(url: str) -> dict[str, Any]:
    options: dict[str, Any] = parse_url(url)  # type: ignore[no-untyped-call] # redis-py leaves it so
    return options


def _by_sentinel(url: str, bounded: dict[str, Any]) -> RedisClient:
    """Read ``redis+sentinel://user:password@host:port,host:port/service/db``.

    User and password are those of Redis; the sentinels are asked without.
    """
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    username, _, password = login.partition(":")
    service, _, database = parts.path.strip("/").partition("/")
    options = bounded | {
        "username": unquote(username) or None,
        "password": unquote(password) or None,
        "db": int(database or 0),
    }
    sentinels = [_address(host) for host in hosts.split(",")]
    sentinel = Sentinel(sentinels, sentinel_kwargs=bounded, **options)  # type: ignore[no-untyped-call] # as above
    master: RedisClient = sentinel.master_for(service)  # type: ignore[no-untyped-call] # as above
    return master


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.partition(":")
    return host, int(port or _SENTINEL_PORT)
