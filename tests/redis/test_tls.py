"""``rediss://`` with a private authority. Debian's Redis speaks TLS, the Valkey wheel does not."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography.x509 import GeneralName
from redis.exceptions import RedisError

from broker.errors import StoreUnavailableError
from broker.files.redis_tls import watch_redis_tls
from broker.files.tls import contexts
from broker.limits import Limits
from broker.store.connect import connect
from tests.redis.certificates import ELSEWHERE, LOOPBACK, Authority
from tests.redis.nodes import WORST, Node, commit, open_store, redis_with_tls
from tests.servers import free_port, valkey_binary

pytestmark = pytest.mark.sockets

LIMITS = Limits(redis_connect_timeout=2.0, redis_timeout=2.0)
PATIENT = Limits(redis_connect_timeout=1.25)
"""A handshake has three times as long as usual, for a busy machine, and ends before ``WORST``."""
Start = Callable[[GeneralName], str]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Found the right one."""
    return Authority(tmp_path, "right")


@pytest.fixture
def start(tmp_path: Path, authority: Authority) -> Iterator[Start]:
    """Return how to start a server whose certificate is for a host; it returns the URL."""
    binary = redis_with_tls()
    with ExitStack() as running:

        def started(host: GeneralName) -> str:
            pair, port = authority.server(host), free_port()
            options = ["--tls-port", str(port), "--tls-auth-clients", "no"]
            options += ["--tls-cert-file", str(pair.certificate), "--tls-key-file", str(pair.key)]
            options += ["--tls-ca-cert-file", str(authority.file)]
            running.enter_context(Node(binary, tmp_path / "server", *options))
            return f"rediss://127.0.0.1:{port}/0"

        yield started


def refusal(url: str, limits: Limits = PATIENT) -> str:
    """Return what the broker says when it will not talk to the server."""
    began = time.monotonic()
    with pytest.raises(StoreUnavailableError) as caught:
        open_store(url, limits=limits).read(0)
    assert time.monotonic() - began < WORST
    assert caught.value.__context__ is None
    return str(caught.value)


def test_right_authority(start: Start, authority: Authority) -> None:
    """With the file of the private authority everything works."""
    url = f"{start(LOOPBACK)}?ssl_ca_certs={authority.file}"
    store = open_store(url, limits=PATIENT)
    generation = commit(store)
    assert store.read(0).generation == generation


def test_wrong_authority(start: Start, tmp_path: Path) -> None:
    """A certificate that another authority signed is refused, told without address."""
    wrong = Authority(tmp_path, "wrong")
    said = refusal(f"{start(LOOPBACK)}?ssl_ca_certs={wrong.file}")
    assert said == "Redis failed: certificate"


def test_authorities_of_the_system_do_not_know_it(start: Start) -> None:
    """Without a file a private authority is not trusted."""
    assert refusal(start(LOOPBACK)) == "Redis failed: certificate"


def test_certificate_of_another_host(start: Start, authority: Authority) -> None:
    """The right authority is not enough: the certificate must be for this host."""
    said = refusal(f"{start(ELSEWHERE)}?ssl_ca_certs={authority.file}")
    assert said == "Redis failed: certificate"


def test_server_without_tls(authority: Authority, tmp_path: Path) -> None:
    """A server that answers in the clear is refused as well; nothing is sent to it."""
    with Node(valkey_binary(), tmp_path / "plain") as plain:
        url = f"rediss://127.0.0.1:{plain.port}/0?ssl_ca_certs={authority.file}"
        assert refusal(url, Limits()).startswith("Redis failed: ")


@pytest.mark.parametrize(
    "url",
    [
        "rediss://127.0.0.1:{}/0",
        "rediss+sentinel://127.0.0.1:{}/service",
        "rediss+cluster://127.0.0.1:{}",
    ],
)
def test_each_connection_asks_for_the_context_in_use(url: str) -> None:
    """Whatever kind of client it belongs to: redis-py alone would read the files again."""
    asked = []

    def context() -> ssl.SSLContext:
        asked.append(url)
        raise ssl.SSLError("canary")

    with socket.create_server(("127.0.0.1", 0)) as server:
        client = connect(url.format(server.getsockname()[1]), LIMITS, context)
        for times in (1, 2):
            with pytest.raises(RedisError):
                client.evalsha("0", 0)
            assert len(asked) >= times


def test_renewed_authority(start: Start, authority: Authority, tmp_path: Path) -> None:
    """The next connection trusts it, without a restart; a broken file changes nothing."""
    file = tmp_path / "ca.pem"
    file.write_bytes(Authority(tmp_path, "old").file.read_bytes())
    watched = watch_redis_tls({"ssl_ca_certs": str(file)})
    url = start(LOOPBACK)
    client = connect(url, LIMITS, contexts(watched))
    with pytest.raises(RedisError):
        client.eval("return 1", 0)
    file.write_bytes(authority.file.read_bytes())
    assert watched.poll().reloaded
    assert client.eval("return 1", 0) == 1
    file.write_text("")
    assert watched.poll().problems
    assert connect(url, LIMITS, contexts(watched)).eval("return 1", 0) == 1
