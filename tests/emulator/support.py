"""What the tests of the emulator share: a clock that stands, two organizations, small readers."""

import base64
import http.client
import json
import random
from dataclasses import dataclass, field
from typing import Any

from broker.emulator.canvas import Behaviour, Canvas
from broker.emulator.minting import Answer
from broker.emulator.server import EmulatorServer

NOW = 1651068081.9458102
ACME = ("a" * 64, "11111111-2222-3333-4444-555555555555")
GLOBEX = ("b" * 64, "66666666-7777-8888-9999-000000000000")


@dataclass
class FakeClock:
    """Canvas's clock, moved by hand."""

    now: float = NOW

    def __call__(self) -> float:
        """Return Unix seconds."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


def make_canvas(clock: FakeClock | None = None, **behaviour: Any) -> Canvas:
    """Return a Canvas of the organizations acme and globex with seeded randomness."""
    return Canvas(
        dict([ACME, GLOBEX]),
        names={ACME[0]: "acme", GLOBEX[0]: "globex"},
        behaviour=Behaviour(**behaviour),
        now=clock or FakeClock(),
        random_bytes=random.Random(7).randbytes,
    )


def headers(keys: tuple[str, str] = ACME) -> dict[str, str]:
    """Return the headers of both calls, as documented."""
    return {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "Consumer": keys[0],
        "SecretKey": keys[1],
    }


def payload(jwt: str) -> dict[str, Any]:
    """Return the claims of a JWT, unverified."""
    middle = jwt.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    return claims


def next_pair(canvas: Canvas, pair: Answer, keys: tuple[str, str] = ACME) -> Answer:
    """Redeem the refresh token of ``pair``."""
    return canvas.refresh(*keys, pair.refresh_token)


@dataclass
class Reply:
    """An HTTP answer, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)

    def json(self) -> dict[str, Any]:
        """Return the body, parsed."""
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed


def call(
    server: EmulatorServer,
    path: str = "/api/Authenticate",
    *,
    method: str = "GET",
    body: str | None = None,
    keys: tuple[str, str] = ACME,
    timeout: float = 5.0,
) -> Reply:
    """Make one HTTP call on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout)
    try:
        connection.request(method, path, body, headers(keys))
        with connection.getresponse() as answer:
            return Reply(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        connection.close()
