"""The client that gives each call its time, however many steps redis-py takes for it."""

import random
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from redis.client import PubSub
from redis.cluster import RedisCluster
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MasterDownError, ReadOnlyError, RedisClusterException
from redis.exceptions import SlotNotCoveredError as SlotNotCovered
from redis.exceptions import TimeoutError as RedisTimeoutError

from broker.store.deadline import left, within
from broker.store.pool import Pools, SetUpTimes
from broker.store.scripts import RedisClient
from broker.store.trouble import reason_of
from broker.store_faults import StoreFault

_T = TypeVar("_T")
_LOST = (ReadOnlyError, MasterDownError, RedisClusterException, SlotNotCovered)
"""What a demoted primary answers, and what a cluster client says whose layout is of no use."""


class Client(RedisClient, Protocol):
    """A client of redis-py as a whole, as far as it is used here."""

    def pipeline(self, transaction: bool) -> Any:  # noqa: FBT001  # redis-py's signature
        """Return what sends several commands at once."""
        ...


def _any_node(client: Client) -> Any:
    """Return a client of one server: of a cluster that of any primary, for messages reach all."""
    if not isinstance(client, RedisCluster):
        return client
    primaries = client.get_primaries()  # type: ignore[no-untyped-call] # as below
    return client.get_redis_connection(random.choice(primaries))  # noqa: S311  # no secret


class BoundedClient:
    """Gives each call ``seconds``, and makes the client that does it: at its first use, and anew.

    A cluster client asks for the layout when it is made: a process starts while the cluster is
    away. A client that is connected to a demoted primary, or knows only nodes that are gone, is
    forgotten: the next one resolves names, asks sentinels and seeds from the start. One that only
    ran out of time is kept once after each call that went well: a node that hangs takes redis-py
    the time to ask the others for the layout, and must not cost them their connections.

    ``together`` says whether several scripts may go in one round trip: not in a cluster, where
    their keys lie on several nodes, and one that hangs would keep the answers of all.
    ``set_up_times`` says how long it took to set connections up, ``pools`` where they are.
    """

    def __init__(
        self,
        make: Callable[[], Client],
        seconds: float,
        *,
        together: bool = True,
        set_up_times: SetUpTimes | None = None,
        pools: Pools | None = None,
    ) -> None:
        self._pools = Pools() if pools is None else pools
        self.set_up_times = set_up_times or SetUpTimes()
        self._together = together
        self._make = make
        self._seconds = seconds
        self._making = threading.Lock()
        self._client: Client | None = None
        self._worked = False
        self._routes: RedisCluster | None = None

    @property
    def together(self) -> "BoundedClient | None":
        """Return what runs several scripts in one round trip, if that may be."""
        return self if self._together else None

    def node_of(self, key: str) -> str:
        """Return the primary of a cluster that holds ``key``, as far as is known by now.

        It is empty where there is no cluster, or its layout is not known.
        """
        if self._routes is None:
            return ""
        try:
            node = self._routes.get_node_from_key(key)  # type: ignore[no-untyped-call] # as above
        except RedisClusterException:
            return ""
        return str(node.name)

    def primaries(self) -> frozenset[str]:
        """Return the primaries that hold slots of a cluster, by name; none where there is none."""
        client = self._call(lambda client: client)
        if not isinstance(client, RedisCluster):
            return frozenset()
        owners = client.nodes_manager.slots_cache.values()
        return frozenset(str(nodes[0].name) for nodes in owners)

    def close_unused(self) -> None:
        """Close connections that nobody has used for a minute, but for a few of each server."""
        for pool in list(self._pools):
            pool.close_unused()

    def evalsha(self, sha: str, numkeys: int, *keys_and_args: Any) -> Any:
        """Run a script by its SHA-1."""
        return self._call(lambda client: client.evalsha(sha, numkeys, *keys_and_args))

    def eval(self, script: str, numkeys: int, *keys_and_args: Any) -> Any:
        """Run a script by its text."""
        return self._call(lambda client: client.eval(script, numkeys, *keys_and_args))

    def evalsha_each(self, sha: str, numkeys: int, calls: Sequence[Sequence[Any]]) -> list[Any]:
        """Run a script for each of ``calls`` in one round trip; errors stand among the replies."""

        def send(client: Client) -> list[Any]:
            pipeline = client.pipeline(transaction=False)
            for call in calls:
                pipeline.evalsha(sha, numkeys, *call)
            replies: list[Any] = pipeline.execute(raise_on_error=False)
            for lost in (reply for reply in replies if isinstance(reply, _LOST)):
                raise lost
            return replies

        return self._call(send)

    def publish(self, channel: str, message: str) -> None:
        """Send a message to all who have subscribed to a channel."""
        self._call(lambda client: _any_node(client).publish(channel, message))

    def pubsub(self) -> PubSub:
        """Return redis-py's subscriber, on a connection of its own that no time is set for."""
        subscriber: PubSub = self._call(lambda client: _any_node(client).pubsub())
        return subscriber

    def _call(self, operation: Callable[[Client], _T]) -> _T:
        with within(self._seconds):
            client = None
            try:
                client = self.client()
                result = operation(client)
            except _LOST as error:
                if self._client is client:
                    self._keep_or_forget(error)
                raise RedisConnectionError(type(error).__name__) from error

            self._worked = True
            return result

    def _keep_or_forget(self, error: Exception) -> None:
        timed_out = reason_of(error).fault is StoreFault.TIMEOUT
        if not (timed_out and self._worked):
            self._client = None
        self._worked = False

    def client(self) -> Client:
        """Return redis-py's client; one thread makes it, the others wait while they have time."""
        if (client := self._client) is not None:
            return client
        if not self._making.acquire(timeout=left(self._seconds)):
            raise RedisTimeoutError("no time left")
        try:
            if self._client is None:
                self._client = made = self._make()
                self._routes = made if isinstance(made, RedisCluster) else None
            return self._client
        finally:
            self._making.release()
