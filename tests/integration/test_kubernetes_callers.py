"""Callers of a cluster with real signatures ask a real broker, while keys and API server change."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.emulator.server import EmulatorServer
from tests.integration.deployment import BrokerProcess, Deployment
from tests.kubernetes.cluster import AUDIENCE, Cluster
from tests.servers import RedisServer

pytestmark = pytest.mark.sockets

OWN = "system:serviceaccount:shop:orders"
OTHER = "system:serviceaccount:shop:other"
TABLE = '[callers.orders]\nservice_account = "shop:orders"\norganizations = ["acme"]\n'
REFUSED = (401, "invalid_token")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Run an API server."""
    folder = tmp_path / "cluster"
    folder.mkdir()
    with Cluster(folder) as running:
        yield running


@pytest.fixture
def broker(
    tmp_path: Path, emulator: EmulatorServer, valkey: RedisServer, cluster: Cluster
) -> Iterator[BrokerProcess]:
    """Run a broker whose one caller is a service account."""
    settings = {
        "BROKER_KUBERNETES_AUDIENCE": AUDIENCE,
        "BROKER_KUBERNETES_JWKS_URL": cluster.jwks_url,
        "BROKER_KUBERNETES_TOKEN_HOST": "127.0.0.1",
        "BROKER_KUBERNETES_LIFETIME_MAX": "3600",
        "BROKER_KUBERNETES_TOKEN_FILE": str(cluster.own_token_file),
        "BROKER_KUBERNETES_CA_FILE": str(cluster.ca_file),
        "BROKER_REDIS_PREFIX": tmp_path.name,
        "BROKER_WORKERS": "1",
    }
    deployment = Deployment(tmp_path, emulator, valkey.url, brokers=1, settings=settings)
    (tmp_path / "callers.toml").write_text(TABLE)
    with deployment:
        (running,) = deployment.brokers
        running.wait_for("/token", lambda reply: reply.status == 200, cluster.token(sub=OWN))
        yield running


def outcome(broker: BrokerProcess, token: str) -> tuple[int, str]:
    """Ask once with a token; return status and error code."""
    reply = broker.get("/token", token)
    return reply.status, reply.body.get("error", "") if isinstance(reply.body, dict) else ""


def test_a_service_account_is_a_caller(broker: BrokerProcess, cluster: Cluster) -> None:
    """By RS256 and ES256; any other account, audience, issuer, time, life or key is nobody."""
    assert outcome(broker, cluster.token(sub=OWN)) == (200, "")
    assert outcome(broker, cluster.token(sub=OWN, alg="ES256")) == (200, "")
    assert outcome(broker, cluster.token(sub=OTHER)) == REFUSED
    assert outcome(broker, cluster.token(sub=OWN, aud="another")) == REFUSED
    assert outcome(broker, cluster.token(sub=OWN, iss="https://elsewhere")) == REFUSED
    assert outcome(broker, cluster.token(sub=OWN, exp=int(time.time()) - 60)) == REFUSED
    assert outcome(broker, cluster.token(sub=OWN, exp=int(time.time()) + 7200)) == REFUSED
    assert outcome(broker, cluster.token(sub=OWN, header={"alg": "none"})) == REFUSED
    assert outcome(broker, cluster.token(sub=OWN) + "x" * 3000) == REFUSED
    assert outcome(broker, cluster.own_token_file.read_text()) == REFUSED


def test_an_outage_of_the_api_server_is_none_here(broker: BrokerProcess, cluster: Cluster) -> None:
    """Known keys go on verifying; a token of unknown keys is not refused, but put off."""
    cluster.stop()
    assert outcome(broker, cluster.token(sub=OWN)) == (200, "")
    assert outcome(broker, cluster.token(sub=OTHER)) == REFUSED
    cluster.rotate()
    reply = broker.get("/token", cluster.token(sub=OWN))
    assert (reply.status, reply.body["error"]) == (503, "temporarily_unavailable")
    assert int(reply.headers["Retry-After"]) >= 1
    assert reply.seconds < 4.5


def test_rotated_keys_are_fetched_at_once(broker: BrokerProcess, cluster: Cluster) -> None:
    """The first token of a new key is served; one of the old key is nobody's from then on."""
    old = cluster.token(sub=OWN)
    cluster.rotate()
    asked = len(cluster.requests)
    assert outcome(broker, cluster.token(sub=OWN)) == (200, "")
    assert outcome(broker, cluster.token(sub=OWN, alg="ES256")) == (200, "")
    assert len(cluster.requests) == asked + 1
    assert outcome(broker, old) == REFUSED


def test_no_token_is_in_the_log(broker: BrokerProcess, cluster: Cluster) -> None:
    """Neither of callers nor the broker's own."""
    sent = [cluster.token(sub=OWN), cluster.token(sub=OTHER), cluster.token(sub=OWN, aud="x")]
    for token in sent:
        outcome(broker, token)
    log = broker.log()
    for token in [*sent, cluster.own_token_file.read_text()]:
        assert not any(part in log for part in token.split(".")[1:])
