import copy
import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis.configuration import set_hypothesis_home_dir

from broker.emulator.canvas import Behaviour, Canvas
from broker.emulator.server import EmulatorServer
from tests.contract.campaign import Campaign
from tests.integration.deployment import CONSUMER, SECRET_KEY, Deployment
from tests.servers import RedisServer

TWO_DAYS = 2 * 86400.0
"""Long enough that the largest ``min_ttl`` can be met."""


@pytest.fixture(scope="package")
def deployment(
    valkey: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """Start one broker, with tokens that live for two days."""
    behaviour = Behaviour(access_lifetime_authenticate=TWO_DAYS, access_lifetime_refresh=TWO_DAYS)
    canvas = Canvas({CONSUMER: SECRET_KEY}, names={CONSUMER: "acme"}, behaviour=behaviour)
    directory = tmp_path_factory.mktemp("contract")
    settings = {"BROKER_WORKERS": "1", "BROKER_REDIS_PREFIX": "contract"}
    with (
        EmulatorServer(canvas) as emulator,
        Deployment(directory, emulator, valkey.url, brokers=1, settings=settings) as started,
    ):
        started.wait_for_token()
        yield started


@pytest.fixture(scope="package")
def campaign(deployment: Deployment, tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """Prepare to ask the broker with the caller's key, leaving no files where the tests run."""
    set_hypothesis_home_dir(tmp_path_factory.mktemp("hypothesis"))
    return Campaign(f"http://127.0.0.1:{deployment.brokers[0].port}", deployment.key)


@pytest.fixture(scope="package")
def served(deployment: Deployment) -> Any:
    """Read the document as the service gives it."""
    url = f"http://127.0.0.1:{deployment.brokers[0].port}/openapi.json"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


@pytest.fixture
def document(served: Any) -> Any:
    """Copy the document for a test that changes it."""
    return copy.deepcopy(served)
