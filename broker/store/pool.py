"""Pools whose connections are set up by threads of their own.

::

    caller                                 a thread of the pool, at most 8 at once
    ────────────────────────────────       ───────────────────────────────────────────
    takes one that is idle, or
    orders one, and waits        ───────▶  name, TCP, TLS, login, database
    takes the first that is
    new or given back            ◀───────  one more, or why there is none

    or has no time left: fails             goes on; the next caller finds what it set up

The system knows no limit for the lookup of a name, and a set-up has many steps. A caller waits for
the whole of it as long as its operation can; what comes later is kept. There are never more set-ups
than callers that wait, so that a silent name server holds few threads, and no request.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, cast
from weakref import WeakSet

from redis import ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.sentinel import SentinelConnectionPool

from broker.limits import Limits
from broker.store.connections import NotConnectedError, PooledConnection
from broker.store.deadline import left

_REMEMBERED = 8
_RECENT = 600.0
"""Seconds for which a set-up says how far away Redis is."""
AT_ONCE = 8
"""Set-ups of one pool at once."""
THREAD = "redis-connect"
"""The name of each thread that sets a connection up."""
KEPT = 3
"""Connections of one pool that stay open however long nobody uses them.

A request that comes after a long rest, to a Redis that is far away, must not wait for a set-up.
"""
UNUSED_S = 60.0
"""Seconds after its last reply from which on any other that is idle is closed."""


class SetUpTimes:
    """How long the set-ups took that succeeded, in seconds; ``monotonic`` is the clock."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._found: deque[tuple[float, float]] = deque(maxlen=_REMEMBERED)

    def add(self, seconds: float) -> None:
        """Note one that has just ended."""
        self._found.append((self._monotonic(), seconds))

    def shortest(self) -> float | None:
        """Return the shortest of the last few, of the last ten minutes; None without any."""
        since = self._monotonic() - _RECENT
        return min(
            (seconds for ended, seconds in list(self._found) if ended >= since), default=None
        )


class IdlePool(Protocol):
    """A pool that closes what it does not need."""

    def close_unused(self) -> None:
        """Close connections that are idle and not worth keeping."""


Pools: TypeAlias = WeakSet[IdlePool]


class NoneReadyError(RedisConnectionError):
    """No connection of the pool is ready."""


class BackgroundPool(ConnectionPool):
    """redis-py's pool; more connections are set up in the background. ``pools`` gets to know it.

    An operation waits for one at most ``limits.redis_connection_wait`` seconds, and never so long
    that ``limits.redis_timeout`` would not be left for its command.
    """

    def __init__(
        self, *, limits: Limits, times: SetUpTimes, pools: "Pools", **options: Any
    ) -> None:
        self._limits = limits
        self._times = times
        self._changed = threading.Condition()
        self._new: deque[PooledConnection] = deque()
        self._waiting = 0
        self._set_ups = 0
        self._failures = 0
        self._failure: Exception | None = None
        self._silent_since = 0.0
        super().__init__(reply_timeout=limits.redis_timeout, **options)
        pools.add(self)

    def get_connection(self, command_name: str | None = None, *keys: Any, **options: Any) -> Any:
        """Return a connection that stands; raises what kept it from being set up in time."""
        del command_name, keys, options  # as redis-py has it: they are for old callers
        connection = self._take() or self._wait()
        if isinstance(connection, Exception):
            # One object for all who wait: each raises it as if it were new.
            raise connection.with_traceback(None)
        return connection

    def make_connection(self) -> Any:
        """Return what a set-up has brought; redis-py asks for it when none is idle."""
        try:
            return self._new.popleft()
        except IndexError:
            raise NoneReadyError("none is ready") from None

    def owns_connection(self, connection: Any) -> int:
        """Tell whether to keep a connection that is given back: not if it was closed."""
        return bool(connection.is_connected and super().owns_connection(connection))

    def release(self, connection: Any) -> None:
        """Take a connection back, and let one who waits look again."""
        super().release(connection)
        if connection.timed_out:
            self._silent_since = time.monotonic() - self._limits.redis_timeout
        if self._waiting:
            with self._changed:
                self._changed.notify()

    def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002 # redis-py's signature
        """Close all that are idle, and those in use as well if so wanted."""
        super().disconnect(inuse_connections)
        for connection in list(self._new):
            connection.disconnect()  # type: ignore[no-untyped-call] # redis-py leaves it so

    def disconnect_free_connections(self, moving_address_src: str | None = None) -> None:
        """Keep them: redis-py's cluster closes all of a node for one call that took too long.

        Where set-ups take their time, the calls that need those would take too long again.
        """

    def update_active_connections_for_reconnect(
        self, moving_address_src: str | None = None
    ) -> None:
        """Keep these as well, for the same reason."""

    def close_unused(self) -> None:
        """Close what has been idle for :data:`UNUSED_S`, but for the last :data:`KEPT` used.

        redis-py gives out the one that came back last, so that those too many are never used.
        """
        (count, _), _ = self.get_connection_count()
        count += len(self._new)  # set up for who found another meanwhile
        idle = [found for _ in range(count) if count > KEPT and (found := self._take())]
        since = time.monotonic() - UNUSED_S
        for place, connection in reversed(list(enumerate(idle))):
            if place >= KEPT and connection.answered_at < since:
                connection.disconnect()  # type: ignore[no-untyped-call] # redis-py leaves it so
            self.release(connection)

    def _take(self) -> PooledConnection | None:
        """Return a connection that is ready now, if there is one."""
        while True:
            try:
                connection = cast("PooledConnection", super().get_connection())
            except NoneReadyError:
                return None
            except NotConnectedError:  # The server had closed it; it is out of the pool now.
                continue
            if connection.answered_at >= self._silent_since:
                return connection
            # Where a firewall has forgotten them, each would cost an operation its time.
            connection.disconnect()  # type: ignore[no-untyped-call] # redis-py leaves it so
            self.release(connection)

    def _wait(self) -> PooledConnection | Exception:
        limits = self._limits
        until = time.monotonic() + left(limits.redis_worst) - limits.redis_timeout
        with self._changed:
            failures = self._failures
            self._waiting += 1
            try:
                while (found := self._take()) is None:
                    if self._failure and self._failures > failures:
                        return self._failure
                    self._order()
                    if not self._changed.wait(max(0.0, until - time.monotonic())):
                        return self._take() or self._late()
            finally:
                self._waiting -= 1
        return found

    def _late(self) -> Exception:
        """Return why a connection took too long: perhaps for what kept the last from standing."""
        error = RedisTimeoutError("no connection in time")
        error.__cause__ = self._failure
        return error

    def _order(self) -> None:
        """Begin a set-up, if not enough are under way for those who wait."""
        used = sum(count for count, _ in self.get_connection_count()) + len(self._new)
        room = self.max_connections - used - self._set_ups
        wanted = min(AT_ONCE, self._waiting - len(self._new)) - self._set_ups
        if min(room, wanted) <= 0:
            return
        self._set_ups += 1
        try:
            threading.Thread(target=self._set_up, name=THREAD, daemon=True).start()
        except RuntimeError as error:  # Who waits may still get one that is given back.
            self._set_ups -= 1
            self._failure = error

    def _set_up(self) -> None:
        began = time.monotonic()
        try:
            connection: PooledConnection = self.connection_class(**self.connection_kwargs)
            connection.set_up()
        except Exception as error:  # noqa: BLE001  # whatever it is, those who wait raise it
            self._end(error)
        else:
            self._times.add(time.monotonic() - began)
            self._end(connection)

    def _end(self, outcome: PooledConnection | Exception) -> None:
        with self._changed:
            self._set_ups -= 1
            if isinstance(outcome, Exception):
                self._failure = outcome
                self._failures += 1
                self._changed.notify_all()
                return
            self._failure = None
            self._new.append(outcome)
            self._changed.notify()
            self._order()


class BackgroundSentinelPool(BackgroundPool, SentinelConnectionPool):
    """The same of connections to the primary that the sentinels name."""
