"""What the tests with sockets share: a client, and the wait for threads that were given up."""

import time
from collections.abc import Callable, Iterator
from threading import enumerate as threads

import pytest

from broker.clock import SystemClock
from broker.limits import Limits
from broker.upstream import CanvasClient
from broker.upstream.route import Contexts
from broker.upstream.wire import CARRIER
from tests.upstream.samples import LIMITS

MakeClient = Callable[..., CanvasClient]


@pytest.fixture
def make_client() -> MakeClient:
    """Return a maker of clients."""

    def make(
        base_url: str,
        limits: Limits = LIMITS,
        proxy: str | Callable[[], str] | None = None,
        tls: Contexts | None = None,
    ) -> CanvasClient:
        current = (lambda: proxy) if isinstance(proxy, str) else proxy
        return CanvasClient(base_url, limits, SystemClock(), proxy=current, tls=tls)

    return make


@pytest.fixture
def no_carrier_left() -> Iterator[None]:
    """Fail if a carrier thread outlives the test by more than two seconds."""
    yield
    patience = time.monotonic() + 2
    for thread in threads():
        if thread.name == CARRIER:
            thread.join(max(0.0, patience - time.monotonic()))
            assert not thread.is_alive()
