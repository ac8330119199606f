"""One exchange with a server on loopback, for the tests of the wire."""

import time

import pytest

from broker.clock import SystemClock
from broker.errors import UpstreamError
from broker.limits import Limits
from broker.upstream.answer import Answer
from broker.upstream.route import Route
from broker.upstream.wire import Request, exchange
from tests.servers import SLACK
from tests.upstream.samples import LIMITS

REQUEST = Request("/Authenticate", {"Accept": "application/json"})
DRIP = [part for _ in range(100) for part in (b"a", 0.1)]
"""The part of a script that sends a byte at a time."""


def ask(url: str, request: Request = REQUEST, limits: Limits = LIMITS) -> Answer:
    """Make one exchange with the server at ``url``."""
    return exchange(Route(url, proxy=None, tls=None), request, limits, SystemClock())


def failure(url: str, limits: Limits = LIMITS) -> UpstreamError:
    """Make one exchange that must fail, soon after its deadline at the latest."""
    began = time.monotonic()
    with pytest.raises(UpstreamError) as found:
        ask(url, limits=limits)
    assert time.monotonic() - began < limits.upstream_timeout + SLACK
    return found.value
