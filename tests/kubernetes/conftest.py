from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.kubernetes import Keys, KeySource, ServiceAccounts
from tests.fakes import FakeClock
from tests.kubernetes.cluster import AUDIENCE, Cluster
from tests.kubernetes.publisher import Publisher


@pytest.fixture
def clock() -> FakeClock:
    """Return a clock that stands still."""
    return FakeClock()


@pytest.fixture
def cluster(tmp_path: Path, clock: FakeClock) -> Iterator[Cluster]:
    """Start a cluster whose tokens are issued by that clock."""
    with Cluster(tmp_path, now=clock.wall) as running:
        yield running


@pytest.fixture
def accounts(cluster: Cluster, clock: FakeClock) -> ServiceAccounts:
    """Return what the broker in this cluster tells service accounts by."""
    url, token = cluster.jwks_url, cluster.own_token
    source = KeySource(url, token=token, token_host="127.0.0.1", tls=cluster.tls)
    return ServiceAccounts(AUDIENCE, cluster.issuer, Keys(source.fetch, clock), clock, 86400)


@pytest.fixture
def publisher() -> Publisher:
    """Return a publisher of the old key."""
    return Publisher()


@pytest.fixture
def keys(publisher: Publisher, clock: FakeClock) -> Keys:
    """Return keys that nobody has fetched."""
    return Keys(publisher.fetch, clock)


@pytest.fixture
def fetched(keys: Keys, publisher: Publisher) -> Keys:
    """Return keys that were fetched once."""
    assert keys.refresh()
    publisher.fetches = 0
    return keys
