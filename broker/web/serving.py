"""One port: its listeners, its connections and their limits, and who answers on it."""

import asyncio
import random
import ssl
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from flask import Flask

from broker.web.at_once import AT_ONCE
from broker.web.bridge import Application, Bridge
from broker.web.client import Client, address_of
from broker.web.connection import Connection
from broker.web.malformed import MALFORMED
from broker.web.proxies import Announced, Proxies
from broker.web.reading import Sent
from broker.web.secured import Secured

if TYPE_CHECKING:
    from broker.web.at_once import AtOnce
    from broker.web.client import Receiver
    from broker.web.malformed import MalformedRequests

ACCEPTED = 16
"""Connections that are accepted one after the other, before others have their turn."""
MOST_LONG = 256
"""Requests longer than ``LONGEST_RAW`` that come in at once; each may hold half a megabyte."""
TURN = 0.001
"""Seconds for which requests for a token are answered before all else has its turn."""
BREATH = 0.005
"""The same before other threads have theirs; with requests given to them a moment ago, ``TURN``."""
PAUSE = 0.000_001
"""Seconds of a pause; the kernel makes some fifty microseconds of them."""
HANDSHAKES = 4
"""Steps of TLS handshakes that are made one after the other, before others have their turn."""
HELD_BACK = 0.1
"""Seconds between two looks whether to take connections."""


class ServedPort:
    """Serves ``app`` at ``listeners``, by a ``bridge`` and for ``most`` connections at once.

    ``context`` gives the TLS context in force at each connection; without, it is plain HTTP.
    ``proxies`` may speak for others.
    """

    def __init__(  # noqa: PLR0913  # what a port consists of
        self,
        listeners: Sequence[Any],
        app: Flask,
        loop: asyncio.AbstractEventLoop,
        *,
        most: int,
        bridge: Bridge,
        context: Callable[[], ssl.SSLContext] | None = None,
        proxies: Proxies | None = None,
    ) -> None:
        self.loop = loop
        self.now = loop.time
        self.chance: Callable[[], float] = random.random
        self.malformed: MalformedRequests = app.extensions[MALFORMED]
        self.at_once: AtOnce | None = app.extensions.get(AT_ONCE)
        self.stopping = False
        self.may_accept: Callable[[], bool] = lambda: True
        self.is_draining: Callable[[], bool] = lambda: False
        self.connections: set[Client] = set()
        self.long: set[Client] = set()
        self._listeners = list(listeners)
        self._most = most
        self._context = context
        self.proxies = proxies or Proxies(())
        self.behind_proxies = bool(self.proxies)
        self._bridge = bridge
        scheme = "http" if context is None else "https"
        self._application = Application(app.wsgi_app, self.malformed, scheme, "broker")
        self._accepting = False
        self._paused = 0.0
        self.in_turn = self.late = False
        self.kept = True
        self.ends = 0.0
        self._waiting: deque[Connection] = deque()
        self._turns: deque[Callable[[], object]] = deque()
        self._tasks: set[asyncio.Task[Any]] = set()

    def open(self) -> None:
        """Take connections, as long as there is room and others cannot serve better."""
        if self.stopping or self._accepting:
            return
        if self._full():
            return
        if not self.may_accept():
            self.loop.call_later(HELD_BACK, self.open)
            return
        self._accepting = True
        for listener in self._listeners:
            self.loop.add_reader(listener.fileno(), self._accept, listener)

    def stop(self) -> None:
        """Take no more connections, and let those that there are end."""
        self.stopping = True
        self._pause()
        for listener in self._listeners:
            listener.close()
        for connection in self.connections:
            connection.stop()

    def close(self) -> None:
        """Cut what is left."""
        for connection in tuple(self.connections):
            connection.cut()
        self._bridge.close()

    def look(self) -> None:
        """End the connections whose time is over."""
        now = self.now()
        for connection in [one for one in self.connections if one.until < now]:
            connection.overdue()

    def keeps(self) -> bool:
        """Tell whether a connection is kept after its answer."""
        full = len(self.connections) >= self._most
        return not (full or self.stopping or self.is_draining())

    def has_room_for(self, connection: Client) -> bool:
        """Tell whether a request that is too long to be remembered may go on coming in."""
        self.long.add(connection)
        return len(self.long) <= MOST_LONG

    def take_turn(self, work: Callable[[], object]) -> None:
        """Do what costs much, in its order, a little of it before others have their turn."""
        self._turns.append(work)
        if len(self._turns) == 1:
            self.loop.call_soon(self._do_turns)

    def _do_turns(self) -> None:
        try:
            for _ in range(min(HANDSHAKES, len(self._turns))):
                self._turns.popleft()()
        finally:  # a defect keeps nobody else from a turn
            if self._turns:
                self.loop.call_soon(self._do_turns)

    def begin_turn(self, at_once: "AtOnce") -> None:
        """Begin with what ``at_once`` answers in one turn of the loop: it is counted together.

        ``kept`` says for all of it whether connections are kept; it is ``late`` once it has lasted
        to the instant ``ends``.
        """
        self.in_turn, self.kept, self.ends = True, self.keeps(), self.now() + TURN
        self.loop.call_soon(self._end_turn, at_once)

    def wait_for_turn(self, connection: Connection) -> None:
        """Let a connection catch up at its turn."""
        self._waiting.append(connection)

    def _end_turn(self, at_once: "AtOnce") -> None:
        self.in_turn = self.late = False
        at_once.count()
        self._pause_for_threads()
        while self._waiting and not self.late:
            self._waiting.popleft().catch_up()

    def _pause_for_threads(self) -> None:
        """Now and then let other threads go on.

        Who sends and receives lets go of the interpreter each time, and has it back before a thread
        that waits has woken: under a load that never ends no other would run.
        """
        now = self.now()
        if now - self._paused > (TURN if self._bridge.is_busy(now) else BREATH):
            time.sleep(PAUSE)
            self._paused = now

    def work(self, connection: Connection, sent: Sent) -> None:
        """Have a request answered by a thread; the audit has before it what the loop answered."""
        if self.at_once is not None:
            self.at_once.count()
        remote = self.proxies.client_of(connection.remote, sent.headers)
        work = partial(self._application.answer, sent, remote, self.keeps)
        self._bridge.give(work, partial(self._tell, connection))

    def leave(self, connection: Client) -> None:
        """Forget a connection that has ended."""
        full = self._full()
        self.connections.discard(connection)
        self.long.discard(connection)
        if full:
            self.open()

    @staticmethod
    def _tell(connection: Connection, answer: tuple[bytes, bool]) -> None:
        connection.answer(answer[0], close=answer[1])

    def _full(self) -> bool:
        return len(self.connections) >= self._most

    def _pause(self) -> None:
        if self._accepting:
            self._accepting = False
            for listener in self._listeners:
                self.loop.remove_reader(listener.fileno())

    def _accept(self, listener: Any) -> None:
        """Accept who waits, some at a time: other workers want some as well."""
        for _ in range(ACCEPTED):
            if self._full():
                self._pause()
                return
            if not self.may_accept():
                break
            try:
                client, address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # no more files: those that are open may end
                break
            self._greet(client, address)
        else:
            return
        self._pause()
        self.loop.call_later(HELD_BACK, self.open)

    def _greet(self, client: Any, address: object) -> None:
        client.setblocking(False)  # noqa: FBT003  # the name says what is false
        connection = Connection(self)
        self.connections.add(connection)
        made: Receiver = connection
        if self._context is not None:
            made = Secured(connection, self._context(), self.take_turn)
        if self.behind_proxies and self.proxies.trusts(address_of(address)):
            made = Announced(connection, made)
        arrival = self.loop.connect_accepted_socket(lambda: made, client)
        task = self.loop.create_task(arrival)
        self._tasks.add(task)
        task.add_done_callback(partial(self._arrived, connection))

    def _arrived(self, connection: Connection, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if task.cancelled() or task.exception() is not None:
            self.leave(connection)
