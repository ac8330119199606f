"""One log line per request, for a share of them."""

import logging
import random
from collections.abc import Callable

from flask import Flask, Response, g, request

from broker.clock import Clock

_log = logging.getLogger(__name__)


class RequestLog:
    """Writes ``request.answered`` for this ``share`` of all requests, from 0 to 1.

    The line names the path as the service knows it, never as it was sent: that may hold anything.
    """

    def __init__(
        self, clock: Clock, share: float, chance: Callable[[], float] = random.random
    ) -> None:
        self._clock = clock
        self._share = share
        self._chance = chance

    def install(self, app: Flask) -> None:
        """Let each request of ``app`` have its chance."""
        if self._share > 0:
            app.before_request(self._begin)
            app.after_request(self._end)

    def begin(self) -> float | None:
        """Return the instant at which a request began, for :meth:`tell`; None if it has no line."""
        return self._clock.monotonic() if self._chance() < self._share else None

    def tell(
        self,
        began: float | None,
        method: str | None,
        path: str | None,
        status: int,
        remote: str | None,
    ) -> None:
        """Write the line of a request that has one."""
        if began is not None:
            seconds = round(self._clock.monotonic() - began, 6)
            extra = {
                "method": method,
                "path": path,
                "status": status,
                "seconds": seconds,
                "remote": remote,
            }
            _log.info("request.answered", extra=extra)

    def _begin(self) -> None:
        g.began = self.begin()

    def _end(self, response: Response) -> Response:
        rule = request.url_rule
        method, path = (request.method, rule.rule) if rule else (None, None)
        self.tell(g.began, method, path, response.status_code, request.remote_addr)
        return response
