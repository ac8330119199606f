from collections.abc import Iterator

import pytest

from broker.emulator.canvas import Behaviour, Canvas
from broker.emulator.server import EmulatorServer
from tests.integration.deployment import CONSUMER, SECRET_KEY


@pytest.fixture
def emulator() -> Iterator[EmulatorServer]:
    """Play a strict Canvas; a refresh token presented twice ends its whole family."""
    behaviour = Behaviour(reuse_revokes_family=True)
    canvas = Canvas({CONSUMER: SECRET_KEY}, names={CONSUMER: "acme"}, behaviour=behaviour)
    with EmulatorServer(canvas) as server:
        yield server
