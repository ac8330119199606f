"""What stands in for Canvas and Redis beside a broker that runs as its pod would."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from broker.emulator.canvas import Canvas
from broker.emulator.server import EmulatorServer
from tests.integration.deployment import CONSUMER, SECRET_KEY
from tests.servers import RedisServer, valkey_binary

ORGANIZATION = "acme"


@dataclass(frozen=True)
class StandIns:
    """The addresses of both."""

    canvas_url: str
    redis_url: str


@contextmanager
def stand_ins(folder: Path) -> Iterator[StandIns]:
    """Run the emulator with one organization, and an empty Valkey."""
    canvas = Canvas({CONSUMER: SECRET_KEY}, names={CONSUMER: ORGANIZATION})
    with EmulatorServer(canvas) as emulator, RedisServer(valkey_binary(), folder) as valkey:
        yield StandIns(emulator.url, valkey.url)
