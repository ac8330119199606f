"""Connections that keep to the time their call has left, and the client that gives it to them.

redis-py bounds each connect and each read. One call may be many of them: greetings, sentinels asked
one after the other, a cluster's layout asked of node after node. Here all of a call share its time.
"""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MasterDownError, ReadOnlyError, RedisClusterException
from redis.exceptions import SlotNotCoveredError as SlotNotCovered
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.sentinel import SentinelManagedConnection, SentinelManagedSSLConnection

from broker.store.scripts import RedisClient

Contexts: TypeAlias = Callable[[], ssl.SSLContext]
"""Returns what a connection over TLS is made with, as it is at each call."""
_T = TypeVar("_T")
_budget = threading.local()
_LOST = (ReadOnlyError, MasterDownError, RedisClusterException, SlotNotCovered)
"""What a demoted primary answers, and what a cluster client says whose layout is of no use."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let all connections that this thread uses meanwhile share ``seconds``."""
    _budget.until = time.monotonic() + seconds
    try:
        yield
    finally:
        _budget.until = None


def left(most: float) -> float:
    """Return the seconds that this thread's call has left, at most ``most``.

    Raises redis-py's ``TimeoutError`` when there are none.
    """
    until: float | None = getattr(_budget, "until", None)
    if until is None:
        return most
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise RedisTimeoutError("no time left")
    return min(seconds, most)


if TYPE_CHECKING:
    _Base = Connection
else:
    _Base = object


class _Bounded(_Base):
    """Mixed into a connection of redis-py: its limits shrink to what is left of the call."""

    def __init__(self, **options: Any) -> None:
        self._most_connect: float = options["socket_connect_timeout"]
        self._most: float = options["socket_timeout"]
        super().__init__(**options)  # type: ignore[no-untyped-call] # redis-py leaves it so

    def _connect(self) -> Any:
        self.socket_connect_timeout = left(self._most_connect)
        self.socket_timeout = left(self._most)
        return super()._connect()  # type: ignore[no-untyped-call] # as above

    def read_response(self, disable_decoding: bool = False, **options: Any) -> Any:  # noqa: FBT001, FBT002 # redis-py's signature
        """Read a reply within the time left; without any, the connection must not be used again."""
        try:
            timeout = left(self._most)
        except RedisTimeoutError:
            self.disconnect()  # type: ignore[no-untyped-call] # as above
            raise
        return super().read_response(disable_decoding, **{"timeout": timeout} | options)


class PlainConnection(_Bounded, Connection):
    """Over TCP."""


class _Tls(_Bounded):
    """Mixed into a connection over TLS: the context may be given."""

    @staticmethod
    def context() -> ssl.SSLContext | None:
        """Return what the connection is made with; None leaves it to redis-py."""
        return None

    def _wrap_socket_with_ssl(self, sock: socket.socket) -> Any:
        # redis-py takes nothing but the names of files, and reads them at each connection.
        if (context := self.context()) is not None:
            return context.wrap_socket(sock, server_hostname=self.host)
        return super()._wrap_socket_with_ssl(sock)  # type: ignore[misc] # the class beside has it


class TlsConnection(_Tls, SSLConnection):
    """Over TLS."""


class UnixConnection(_Bounded, UnixDomainSocketConnection):
    """Over a socket of this machine."""


class PrimaryConnection(_Bounded, SentinelManagedConnection):
    """Over TCP to the primary that the sentinels name."""


class PrimaryTlsConnection(_Tls, SentinelManagedSSLConnection):
    """Over TLS to the primary that the sentinels name."""


def speaking(kind: type, tls: Contexts | None) -> type:
    """Return a kind of connection that speaks TLS, if it does at all, as ``tls`` says."""
    if tls is None or not issubclass(kind, _Tls):
        return kind
    return type(kind.__name__, (kind,), {"context": staticmethod(tls)})


class Client(RedisClient, Protocol):
    """A client of redis-py as a whole, as far as it is used here."""

    def pipeline(self, transaction: bool) -> Any:  # noqa: FBT001  # redis-py's signature
        """Return what sends several commands at once."""
        ...


class BoundedClient:
    """Gives each call ``seconds``, and makes the client that does it: at its first use, and anew.

    A cluster client asks for the layout when it is made: a process starts while the cluster is
    away. A client that is connected to a demoted primary, or knows only nodes that are gone, is
    forgotten: the next one resolves names, asks sentinels and seeds from the start.

    ``together`` says whether several scripts may go in one round trip: not in a cluster, where
    their keys lie on several nodes, and one that hangs would keep the answers of all.
    """

    def __init__(
        self, make: Callable[[], Client], seconds: float, *, together: bool = True
    ) -> None:
        self._together = together
        self._make = make
        self._seconds = seconds
        self._making = threading.Lock()
        self._client: Client | None = None

    @property
    def together(self) -> "BoundedClient | None":
        """Return what runs several scripts in one round trip, if that may be."""
        return self if self._together else None

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

    def _call(self, operation: Callable[[Client], _T]) -> _T:
        with within(self._seconds):
            client = None
            try:
                client = self.client()
                return operation(client)
            except _LOST as error:
                if self._client is client:
                    self._client = None
                raise RedisConnectionError(type(error).__name__) from error

    def client(self) -> Client:
        """Return redis-py's client; one thread makes it, the others wait while they have time."""
        if (client := self._client) is not None:
            return client
        if not self._making.acquire(timeout=left(self._seconds)):
            raise RedisTimeoutError("no time left")
        try:
            if self._client is None:
                self._client = self._make()
            return self._client
        finally:
            self._making.release()
