"""A real broker that the clients of others ask: two ways to prove who asks, two organizations.

The caller ``billing`` may use both, by its key; the caller ``orders`` runs in a cluster as the
service account ``shop:orders``. Canvas refuses the keys of the organization ``umbrella``.
"""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from broker.callers import new_key
from broker.emulator.canvas import Behaviour, Canvas
from broker.emulator.server import EmulatorServer
from tests.integration.deployment import CONSUMER, SECRET_KEY, Deployment, Reply
from tests.kubernetes.cluster import AUDIENCE, Cluster

OTHER_CONSUMER = "0d" * 32
LIFE = 600.0
"""Seconds that every token lives."""
_AT_ONCE = "0.00001"
_START_LIMIT = 30.0
_CALLERS = """
[callers.billing]
key_sha256 = "{digest}"
organizations = ["acme", "umbrella"]

[callers.orders]
service_account = "shop:orders"
organizations = ["acme"]
"""


@dataclass(frozen=True)
class Stage:
    """What a client needs to know, under the names that docs/clients.md gives it."""

    broker: str
    key: str = field(repr=False)
    token_file: Path
    whoami: str
    deployment: Deployment

    @property
    def token_endpoint(self) -> str:
        """Return where clients get tokens."""
        return f"{self.broker}/token"

    @property
    def environ(self) -> dict[str, str]:
        """Return the environment of a caller, as the page sets it."""
        return {
            "TOKEN_BROKER": self.broker,
            "TOKEN_BROKER_KEY": self.key,
            "TOKEN_BROKER_TOKEN_FILE": str(self.token_file),
            "GENERATION": "1",
            "CANVAS": self.whoami,
        }

    def current(self) -> Reply:
        """Return what the broker itself tells of the token of ``acme``."""
        return self.deployment.brokers[0].get("/token", self.key, organization="acme")

    def report(self, generation: int) -> Reply:
        """Tell the broker that Canvas refused the token of ``acme``."""
        return self.deployment.brokers[0].get(
            "/token", self.key, organization="acme", rejected=generation
        )


@contextmanager
def staged(folder: Path, redis_url: str) -> Iterator[Stage]:
    """Start Canvas, a cluster and a broker; end all of it."""
    canvas = Canvas(
        {CONSUMER: SECRET_KEY, OTHER_CONSUMER: str(uuid.uuid4())},
        names={CONSUMER: "acme", OTHER_CONSUMER: "umbrella"},
        behaviour=Behaviour(access_lifetime_authenticate=LIFE, access_lifetime_refresh=LIFE),
    )
    with EmulatorServer(canvas) as emulator, Cluster(folder) as cluster:
        settings = _settings(cluster)
        deployment = Deployment(folder, emulator, redis_url, brokers=1, settings=settings)
        key = _prepare(folder, deployment)
        token_file = folder / "projected-token"
        token_file.write_text(cluster.token(aud=AUDIENCE))
        broker = deployment.brokers[0]
        with deployment:
            _wait(deployment, key)
            url, whoami = f"http://127.0.0.1:{broker.port}", f"{emulator.root}/_emulator/whoami"
            yield Stage(url, key, token_file, whoami, deployment)


def _settings(cluster: Cluster) -> dict[str, str]:
    return {
        "BROKER_REDIS_PREFIX": "clients",
        "BROKER_WORKERS": "1",
        "BROKER_REPORT_MIN_AGE": _AT_ONCE,
        "BROKER_REPORT_INTERVAL": _AT_ONCE,
        "BROKER_KUBERNETES_AUDIENCE": AUDIENCE,
        "BROKER_KUBERNETES_JWKS_URL": cluster.jwks_url,
        "BROKER_KUBERNETES_TOKEN_HOST": "127.0.0.1",
        "BROKER_KUBERNETES_TOKEN_FILE": str(cluster.own_token_file),
        "BROKER_KUBERNETES_CA_FILE": str(cluster.ca_file),
    }


def _prepare(folder: Path, deployment: Deployment) -> str:
    """Write the callers, and wrong keys of the second organization; return the key."""
    key, digest = new_key()
    (folder / "callers.toml").write_text(_CALLERS.format(digest=digest))
    other = deployment.credentials / "umbrella"
    other.mkdir()
    (other / "consumer").write_text(OTHER_CONSUMER)
    (other / "secret-key").write_text(str(uuid.uuid4()))
    return key


def _wait(deployment: Deployment, key: str) -> None:
    """Wait until it has the token of ``acme``, and knows that ``umbrella`` gets none."""
    broker = deployment.brokers[0]
    broker.wait_for("/health", lambda reply: reply.status != 0)
    until = time.monotonic() + _START_LIMIT
    while True:
        given = broker.get("/token", key, organization="acme")
        refused = broker.get("/token", key, organization="umbrella")
        if given.status == 200 and refused.body["error"] == "credentials_rejected":
            return
        assert time.monotonic() < until, f"{given.status} {refused.body}"
        time.sleep(0.1)
