"""A worker of gunicorn's with an event loop.

gunicorn gives signals and the heartbeat. Both ports are in one loop, so that the heartbeat watches
both.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Any

from gunicorn.config import Config
from gunicorn.workers.base import Worker

from broker.web.app import MANAGEMENT
from broker.web.bridge import Bridge
from broker.web.proxies import Proxies
from broker.web.serving import ServedPort

LOOK = 0.25
"""Seconds between two looks for connections whose time is over."""
BEAT = 1.0
"""Seconds between two heartbeats."""
_log = logging.getLogger(__name__)


class EventWorker(Worker):
    """Serves the callers, and operators where there is a port for them."""

    loop: asyncio.AbstractEventLoop
    may_accept: Callable[[], bool] = staticmethod(lambda: True)
    """Tells whether to take connections, or to leave them to the other workers of the pod."""
    is_draining: Callable[[], bool] = staticmethod(lambda: False)
    """Tells whether each answer is the last one on its connection."""
    management: Config | None = None
    """gunicorn's settings for the management port."""
    trusted_proxies: tuple[str, ...] = ()
    """The networks of proxies that may speak for others."""
    hurried = False
    """Whether nothing is to be finished any more."""
    ports: tuple[ServedPort, ...] = ()
    """The callers' port; the other one is the management port."""

    def init_process(self) -> None:
        """Make the loop, then serve."""
        self.loop = asyncio.new_event_loop()
        super().init_process()

    def load_wsgi(self) -> None:
        """Load the applications, and give each port its listeners.

        The last listeners are the management port's, as many as it has addresses: that holds for
        those that gunicorn inherits, too.
        """
        self.loop.set_exception_handler(_tell)
        app: Any = self.app.wsgi()
        self.wsgi = app
        operators = app.extensions.get(MANAGEMENT)
        own = self.management if operators is not None else None
        first = len(self.cfg.bind) - (0 if own is None else len(own.bind))
        self.ports = (self._port(self.sockets[:first], app, self.cfg),)
        if own is not None:
            self.ports += (self._port(self.sockets[first:], operators, own),)

    def run(self) -> None:
        """Serve until stopped."""
        try:
            self.loop.run_until_complete(self.serve())
        finally:
            for port in self.ports:
                port.close()
            self.loop.run_until_complete(asyncio.sleep(0))
            self.loop.close()

    async def serve(self) -> None:
        """Serve until stopped, then finish what is under way."""
        for port in self.ports:
            port.may_accept, port.is_draining = self.may_accept, self.is_draining
            port.open()
        await self._watch(lambda: self.alive and self.ppid == os.getppid(), None)
        self.alive = False
        for port in self.ports:
            port.stop()
        await self._watch(
            lambda: any(port.connections for port in self.ports) and not self.hurried,
            self.loop.time() + self.cfg.graceful_timeout,
        )

    def handle_quit(self, sig: int, frame: object) -> None:
        """Stop at once, but for what each port has to end."""
        del sig, frame
        self.hurried, self.alive = True, False

    async def _watch(self, go_on: Any, until: float | None) -> None:
        """Beat, and end what is overdue, as long as ``go_on`` says."""
        beat = 0.0
        while go_on() and (until is None or self.loop.time() < until):
            if self.loop.time() >= beat:
                self.notify()
                beat = self.loop.time() + BEAT
            for port in self.ports:
                port.look()
            await asyncio.sleep(LOOK)

    def _port(self, listeners: Any, app: Any, cfg: Config) -> ServedPort:
        context = (lambda: cfg.ssl_context(cfg, None)) if cfg.is_ssl else None
        return ServedPort(
            listeners,
            app,
            self.loop,
            most=cfg.worker_connections,
            bridge=Bridge(cfg.threads, self.loop),
            context=context,
            proxies=Proxies(self.trusted_proxies),
        )


def _tell(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log a defect by its class alone: message and traceback may hold anything."""
    del loop
    error = context.get("exception")
    if not isinstance(error, OSError):  # a client that has gone
        _log.error("request.crashed", extra={"error": type(error).__name__})
