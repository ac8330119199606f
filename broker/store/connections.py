"""Connections of redis-py that keep to the time their operation has left."""

import socket
import ssl
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.sentinel import SentinelManagedConnection, SentinelManagedSSLConnection

from broker.store.deadline import left

if TYPE_CHECKING:
    _Base = Connection
else:
    _Base = object


class NotConnectedError(RedisConnectionError):
    """This connection is not set up, or not any more."""


Contexts: TypeAlias = Callable[[], ssl.SSLContext]
"""Returns what a connection over TLS is made with, as it is at each call."""
SET_UP_TIMEOUT = 5.0
"""Seconds for each step of a set-up, TLS and login: nobody's request waits for them."""
TCP_TIMEOUT = 1.5
"""Seconds for TCP with each address of a name: a packet that is lost is sent again after one.

Also for an answer of a sentinel, in the set-up of another connection: then the next one is asked.
"""


class _Bounded(_Base):
    """Mixed into a connection of redis-py: sending and reading end with the operation.

    ``reply_timeout`` is the longest wait for a reply, in seconds.
    """

    timed_out = False
    """Whether there was no reply in the whole of ``reply_timeout``."""
    answered_at = 0.0
    """The monotonic instant of its last reply, or of the end of its set-up."""

    def __init__(self, reply_timeout: float, **options: Any) -> None:
        self._reply_timeout = reply_timeout
        super().__init__(**options)  # type: ignore[no-untyped-call] # redis-py leaves it so

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 # redis-py's signature
        """Send within the time left."""
        self.update_current_socket_timeout(left(self._reply_timeout))
        super().send_packed_command(command, check_health)  # type: ignore[no-untyped-call] # as above

    def read_response(self, disable_decoding: bool = False, **options: Any) -> Any:  # noqa: FBT001, FBT002 # as above
        """Read a reply within the time left; without any, the connection must not be used again."""
        try:
            timeout = left(self._reply_timeout)
        except RedisTimeoutError:
            self.disconnect()  # type: ignore[no-untyped-call] # as above
            raise
        try:
            reply = super().read_response(disable_decoding, **{"timeout": timeout} | options)
        except RedisTimeoutError:
            self.timed_out = timeout == self._reply_timeout
            raise
        self.answered_at = time.monotonic()
        return reply


class PooledConnection(_Bounded):
    """Mixed into a connection that is set up by its pool's own threads, and by no other.

    A set-up looks a name up, for which the system knows no limit. redis-py would do that wherever
    it finds a connection closed, on a request's thread as well.
    """

    _in_set_up = False

    def set_up(self) -> None:
        """Connect: name, TCP, TLS, login and database; raises what redis-py raises."""
        reply_timeout, self._reply_timeout = self._reply_timeout, SET_UP_TIMEOUT
        self._in_set_up = True
        try:
            self.connect()
            self.answered_at = time.monotonic()
        finally:
            self._reply_timeout, self._in_set_up = reply_timeout, False

    def connect(self) -> None:
        """Do nothing on a connection that stands; raises NotConnectedError on any other."""
        if not self.is_connected:
            self._check()
            super().connect()  # type: ignore[no-untyped-call] # as above

    def connect_check_health(
        self,
        check_health: bool = True,  # noqa: FBT001, FBT002 # as above
        retry_socket_connect: bool = True,  # noqa: FBT001, FBT002 # as above
    ) -> None:
        """Do the same: redis-py comes here to send on a connection that was closed."""
        self._check()
        super().connect_check_health(check_health, retry_socket_connect)

    def _check(self) -> None:
        if not (self._in_set_up or self.is_connected):
            raise NotConnectedError("not connected")


class _Tls(_Base):
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


class PlainConnection(PooledConnection, Connection):
    """Over TCP."""


class TlsConnection(PooledConnection, _Tls, SSLConnection):
    """Over TLS."""


class UnixConnection(PooledConnection, UnixDomainSocketConnection):
    """Over a socket of this machine."""


class PrimaryConnection(PooledConnection, SentinelManagedConnection):
    """Over TCP to the primary that the sentinels name; a set-up asks them first."""


class PrimaryTlsConnection(PooledConnection, _Tls, SentinelManagedSSLConnection):
    """Over TLS to the primary that the sentinels name; a set-up asks them first."""


class SentinelConnection(_Bounded, Connection):
    """Over TCP to a sentinel: used in the set-up of another connection, so it connects itself."""


class SentinelTlsConnection(_Bounded, _Tls, SSLConnection):
    """The same over TLS."""


def speaking(kind: type, tls: Contexts | None) -> type:
    """Return a kind of connection that speaks TLS, if it does at all, as ``tls`` says."""
    if tls is None or not issubclass(kind, _Tls):
        return kind
    return type(kind.__name__, (kind,), {"context": staticmethod(tls)})
