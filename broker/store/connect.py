"""From ``BROKER_REDIS_URL`` to a client whose every operation is bounded."""

from collections.abc import Sequence
from typing import Any

from redis import ConnectionPool, Redis, Sentinel
from redis.backoff import NoBackoff
from redis.cluster import PRIMARY, ClusterNode, RedisCluster
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError

from broker.limits import Limits
from broker.redis_address import RedisAddress, checks_name, parse_redis_address
from broker.store.bounded import BoundedClient, Client
from broker.store.connections import (
    SET_UP_TIMEOUT,
    TCP_TIMEOUT,
    Contexts,
    PlainConnection,
    PrimaryConnection,
    PrimaryTlsConnection,
    SentinelConnection,
    SentinelTlsConnection,
    TlsConnection,
    UnixConnection,
    speaking,
)
from broker.store.deadline import left
from broker.store.login import CurrentUrl, Options, login
from broker.store.pool import BackgroundPool, BackgroundSentinelPool, Pools, SetUpTimes

_READ_SIZE = 4096
"""Bytes: nearly every answer is shorter. redis-py's 32 KiB left holes in each thread's memory."""
_MOST_NODES = 1000
"""Pools of nodes that are remembered: as many as a cluster can have."""
A_FEW = 8
"""Threads that use a client at once, where nobody counts them."""
Address = tuple[str, int]


def connect(
    url: str,
    limits: Limits,
    tls: Contexts | None = None,
    *,
    users: int = A_FEW,
    current: CurrentUrl | None = None,
) -> BoundedClient:
    """Return a client for ``url``; nothing is sent yet. Retries are the caller's, not redis-py's.

    ``tls`` is called for each connection over TLS and returns what it is made with; without it
    redis-py reads the files that the URL names each time. ``current`` is called for each connection
    and returns ``url`` with the logins of that moment.

    ``users`` is how many threads use it at once, each with a connection of its own; one more is for
    the layout of a cluster, asked for while the connection that failed is still held. A call gets
    ``limits.redis_worst`` seconds. RESP2 saves a round trip at each connection, and the broker
    needs nothing of RESP3.
    """
    current = current or (lambda: url)
    bounded = {
        "max_connections": users + 1,
        "retry": Retry(NoBackoff(), 0),
        "socket_connect_timeout": TCP_TIMEOUT,
        "socket_read_size": _READ_SIZE,
        "socket_timeout": SET_UP_TIMEOUT,
        "protocol": 2,
        "driver_info": None,
        **login(current),
    }
    times, pools = SetUpTimes(), Pools()
    ours = {"limits": limits, "times": times, "pools": pools}
    address = parse_redis_address(url)
    nodes = _Nodes(ours)

    def make() -> Client:
        if address.kind == "sentinel":
            return _by_sentinel(address, bounded, ours, tls, login(current, "sentinel_"))
        if address.kind == "cluster":
            return _cluster(address, bounded, nodes, tls)
        return Redis(connection_pool=BackgroundPool(**_single(address, tls) | bounded | ours))

    together = address.kind != "cluster"
    return BoundedClient(
        make, limits.redis_worst, together=together, set_up_times=times, pools=pools
    )


def _spoken(address: RedisAddress, tls: Contexts | None, plain: type, secure: type) -> Options:
    if address.tls is None:
        return {"connection_class": plain}
    checked = {"ssl_check_hostname": checks_name(address.tls)}
    return {**address.tls, **checked, "connection_class": speaking(secure, tls)}


def _single(address: RedisAddress, tls: Contexts | None) -> Options:
    if address.socket is not None:
        return {"connection_class": UnixConnection, "path": address.socket, "db": address.database}
    host, port = address.hosts[0]
    place = {"host": host, "port": port, "db": address.database}
    return place | _spoken(address, tls, PlainConnection, TlsConnection)


def _by_sentinel(
    address: RedisAddress, bounded: Options, ours: Options, tls: Contexts | None, own_login: Options
) -> Client:
    own = _spoken(address, tls, SentinelConnection, SentinelTlsConnection)
    own["reply_timeout"] = max(ours["limits"].redis_timeout, TCP_TIMEOUT)
    options = _spoken(address, tls, PrimaryConnection, PrimaryTlsConnection) | bounded
    pool = BackgroundSentinelPool(
        service_name=address.service,
        sentinel_manager=_Sentinels(address.hosts, options | own | own_login, ours["pools"]),
        **options | ours | {"db": address.database},
    )
    return Redis(connection_pool=pool)


class _SentinelPool(ConnectionPool):
    def close_unused(self) -> None:
        """Close all that are idle: only set-ups use them."""
        self.disconnect(inuse_connections=False)


class _Sentinels(Sentinel):
    """Asks the sentinel first that knew the primary last, and one that did not answer last."""

    def __init__(self, addresses: Sequence[Address], options: Options, pools: Pools) -> None:
        super().__init__([])  # type: ignore[no-untyped-call] # as above
        own = [_SentinelPool(host=host, port=port, **options) for host, port in addresses]
        pools.update(own)
        self.sentinels = [Redis(connection_pool=pool) for pool in own]

    def discover_master(self, service_name: str) -> Address:
        """Return host and port of the primary; raise ``MasterNotFoundError`` when nobody knows."""
        problem: Exception | None = None
        for sentinel in list(self.sentinels):
            left(0)  # Whom there was no time to ask keeps his place.
            try:
                found: Any = sentinel.sentinel_masters()
            except (RedisConnectionError, RedisTimeoutError) as error:
                problem = error
                self._ask_last(sentinel)
                continue
            state = found.get(service_name)
            if state and self.check_master_state(state, service_name):  # type: ignore[no-untyped-call] # as above
                return state["ip"], state["port"]
        raise MasterNotFoundError("no sentinel knows a living primary") from problem

    def _ask_last(self, sentinel: "Redis") -> None:
        """Replace the list in one step: other threads may be walking it."""
        self.sentinels = [*(one for one in self.sentinels if one is not sentinel), sentinel]


class _Nodes:
    """Makes the pool of each node of a cluster, once.

    A client whose layout is of no use is made anew. The set-ups under way are not: with each new
    client there would be more threads that wait for a silent name server, and a connection that
    takes long would never stand.
    """

    def __init__(self, ours: Options) -> None:
        self._ours = ours
        self._pools: dict[Address, BackgroundPool] = {}

    def __call__(self, host: str, port: int, **options: Any) -> BackgroundPool:
        """Return the pool of the node at this address."""
        address = host, port
        if address not in self._pools and len(self._pools) >= _MOST_NODES:
            self._pools = {}
        return self._pools.setdefault(
            address, BackgroundPool(host=host, port=port, **options | self._ours)
        )


def _cluster(
    address: RedisAddress, bounded: Options, nodes: _Nodes, tls: Contexts | None
) -> Client:
    """Any living node is enough."""
    first, *others = address.hosts
    options = _spoken(address, tls, PlainConnection, TlsConnection) | bounded
    options["connection_pool_class"] = nodes
    retry = options.pop("retry")
    seeds = [_node(host, port) for host, port in others]
    # Only a cluster made from a URL takes a class of connections.
    host, port = _without_lookup(first)
    host = f"[{host}]" if ":" in host else host
    return _Cluster(
        url=f"redis://{host}:{port}",
        startup_nodes=seeds,
        retry=retry,
        address_remap=_without_lookup,
        **options,
    )


def _without_lookup(address: Address) -> Address:
    """Spare redis-py the lookup that it makes of this one name, wherever it finds it."""
    host, port = address
    return ("127.0.0.1" if host == "localhost" else host), port


def _node(host: str, port: int) -> ClusterNode:
    return ClusterNode(*_without_lookup((host, port)), PRIMARY)  # type: ignore[no-untyped-call] # as above


class _Cluster(RedisCluster):
    """Runs scripts only: their keys are told apart without the server's list of commands."""

    def command(self, **_: Any) -> dict[str, Any]:
        """Return no commands, where redis-py would ask for all of them when it is made."""
        return {}

    def get_node(
        self, host: str | None = None, port: int | None = None, node_name: str | None = None
    ) -> ClusterNode | None:
        """Return the node; an ASK may name one that holds no slot yet, so that no layout has it."""
        node: ClusterNode | None = super().get_node(host, port, node_name)  # type: ignore[no-untyped-call] # as above
        if node is None and node_name is not None:
            host, _, number = node_name.rpartition(":")
            node = _node(host, int(number))
            self.nodes_manager.nodes_cache[node_name] = node
        return node
