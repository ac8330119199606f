"""One log line per request, for a share of them."""

import logging
import random
from collections.abc import Callable

from flask import Flask, Response, g, request

from broker.clock import Clock

_log = logging.getLogger(__name__)


def install(
    app: Flask, clock: Clock, share: float, chance: Callable[[], float] = random.random
) -> None:
    """Log ``request.answered`` for this ``share`` of all requests, from 0 to 1.

    The line names the path as the service knows it, never as it was sent: that may hold anything.
    """
    if share <= 0:
        return

    def begin() -> None:
        g.began = clock.monotonic()

    def tell(response: Response) -> Response:
        if chance() < share:
            rule = request.url_rule
            extra = {
                "method": request.method if rule else None,
                "path": rule.rule if rule else None,
                "status": response.status_code,
                "seconds": round(clock.monotonic() - g.began, 6),
                "remote": request.remote_addr,
            }
            _log.info("request.answered", extra=extra)
        return response

    app.before_request(begin)
    app.after_request(tell)
