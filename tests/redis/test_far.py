"""A Redis 200 ms away, with TLS and a password, under the limits that are set when none are."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from broker.errors import StoreUnavailableError
from broker.ports import RecordStore
from tests.redis.certificates import LOOPBACK, Authority
from tests.redis.far import far_away
from tests.redis.nodes import Node, commit, open_store, redis_with_tls, wait_until
from tests.servers import free_port

pytestmark = pytest.mark.sockets

AWAY = 0.2
PASSWORD = "far-away"


class Locked(Node):
    """Wants a password."""

    def client(self) -> "redis.Redis":
        """Return a client that has it."""
        return redis.Redis(host="127.0.0.1", port=self.port, password=PASSWORD)


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Start it; name the way that takes time."""
    authority, port = Authority(tmp_path, "right"), free_port()
    pair = authority.server(LOOPBACK)
    options = ["--tls-port", str(port), "--tls-auth-clients", "no", "--requirepass", PASSWORD]
    options += ["--tls-cert-file", str(pair.certificate), "--tls-key-file", str(pair.key)]
    options += ["--tls-ca-cert-file", str(authority.file)]
    with Locked(redis_with_tls(), tmp_path / "server", *options), far_away(port, AWAY) as near:
        yield f"rediss://:{PASSWORD}@127.0.0.1:{near}/1?ssl_ca_certs={authority.file}"


def test_set_up_takes_longer_than_a_step_may(url: str) -> None:
    """TCP, TLS, login and database take 0.8 s: it is kept until it stands, and then it serves."""
    store = open_store(url)
    wait_until(lambda: is_read(store))
    generation = commit(store)
    assert store.read(0).generation == generation


def is_read(store: RecordStore) -> bool:
    """Tell whether Redis answers."""
    try:
        store.read(0)
    except StoreUnavailableError:
        return False
    return True
