"""Made-up answers of Canvas, credentials, and a clock that tests move."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import formatdate

from broker.credentials import Credentials
from broker.limits import Limits
from broker.secret import Secret
from broker.upstream.answer import Answer

NOW = 1651068081
"""The instant of all samples by Canvas's clock: 2022-04-27 14:01:21 UTC."""
DATE = formatdate(NOW, usegmt=True)
REFRESH_TOKEN = "6ed6d7ba271d43a0843f8f363fe27279"
CREDENTIALS = Credentials(Secret("c0ffee00" * 8), Secret("0d5a2f3e-7b1c-4d8e-9f60-a1b2c3d4e5f6"))
LIMITS = Limits(upstream_body_limit=4096)
HASTY = Limits(upstream_timeout=1.0, upstream_connect_timeout=0.5, upstream_body_limit=4096)
"""For tests that wait for a timeout."""


class FakeClock:
    """Stands still; sleeping moves it and is noted."""

    def __init__(self, *, monotonic: float = 1000.0, wall: float = 0.0) -> None:
        self.now = monotonic
        self.host = wall
        self.slept: list[float] = []

    def monotonic(self) -> float:
        """Return the monotonic instant."""
        return self.now

    def wall(self) -> float:
        """Return what the host believes."""
        return self.host

    def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        self.slept.append(seconds)
        self.now += seconds


def instant(unix: float) -> str:
    """Return an instant as Canvas writes it, with seven fractional digits."""
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%S.9458102+00:00")


def jwt(claims: Mapping[str, object]) -> str:
    """Return an unsigned token with ``claims``."""
    parts = ({"alg": "HS256", "typ": "JWT"}, claims)
    coded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts]
    return b".".join([*coded, b"c2lnbmF0dXJl"]).decode()


ACCESS_TOKEN = jwt({"iat": NOW, "exp": NOW + 900})


def fields(**changes: object) -> dict[str, object]:
    """Return the object of a good answer with ``changes``; a field given as ``...`` is left out."""
    good: dict[str, object] = {
        "access_token": f"Bearer {ACCESS_TOKEN}",
        "accessTokenExpiresDateTime": instant(NOW + 900),
        "refresh_token": REFRESH_TOKEN,
        "refreshTokenExpiresDateTime": instant(NOW + 86400),
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not ...}


def body(**changes: object) -> bytes:
    """Return the body of a good answer with ``changes``."""
    return json.dumps(fields(**changes)).encode()


def answer(  # noqa: PLR0917 - each is a part of an answer, and given by name
    status: int = 200,
    content: bytes = b"",
    date: str | None = DATE,
    retry_after: str | None = None,
    age: int = 0,
    sent: float = 1000.0,
    arrived: float = float(NOW),
) -> Answer:
    """Return an answer as the wire gives it."""
    return Answer(
        status=status,
        date=date,
        retry_after=retry_after,
        age=age,
        body=content,
        sent=sent,
        arrived=arrived,
    )


def http(
    content: bytes,
    *headers: str,
    status: str = "200 OK",
    length: int | None = None,
) -> bytes:
    """Return the bytes of an HTTP answer; ``length`` overrides the true Content-Length."""
    announced = len(content) if length is None else length
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {announced}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + content
