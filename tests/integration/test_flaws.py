"""Answers of Canvas that are odd and good: read by the client, and served by a real broker."""

import time
from pathlib import Path
from typing import Any

import pytest

from broker.clock import SystemClock
from broker.credentials import Credentials
from broker.emulator.server import EmulatorServer
from broker.errors import AmbiguousError
from broker.limits import Limits
from broker.secret import Secret
from broker.upstream import CanvasClient
from tests.integration.deployment import CONSUMER, SECRET_KEY, Deployment
from tests.servers import RedisServer

pytestmark = pytest.mark.sockets

KEYS = Credentials(Secret(CONSUMER), Secret(SECRET_KEY))
NO_REFRESH_TOKEN: list[tuple[dict[str, Any], str]] = [
    ({"refresh_token": "missing"}, "no_refresh_token"),
    ({"refresh_token": "null"}, "no_refresh_token"),
    ({"refresh_token": "empty"}, "bad_refresh_token"),
    ({"refresh_expiry": "missing"}, "no_refresh_expiry"),
    ({"refresh_expiry": "null"}, "no_refresh_expiry"),
    ({"refresh_expiry": "no_offset"}, "bad_refresh_expiry"),
    ({"refresh_expiry": "past"}, "refresh_token_expired"),
]
ONE_REFRESH_TOKEN: list[tuple[dict[str, Any], str]] = [
    ({"expiry": "missing"}, "no_access_expiry"),
    ({"expiry": "null"}, "no_access_expiry"),
    ({"expiry": "no_offset"}, "bad_access_expiry"),
    ({"prefix": False}, "no_prefix"),
]
FORMS: list[dict[str, Any]] = [
    *({"interim": status} for status in (100, 102, 103)),
    *({"encoding": encoding} for encoding in ("gzip", "deflate", "raw_deflate")),
    {"headers": 1000},
    {"encoding": "gzip", "interim": 103, "headers": 200, "drip": 0.001},
    *({"fraction_digits": digits, "latency": 0} for digits in range(10)),
    *({"fraction_digits": digits, "drop_zeros": True, "utc_as": "z"} for digits in range(10)),
]


@pytest.fixture
def client(emulator: EmulatorServer) -> CanvasClient:
    """Return a client of the emulator."""
    return CanvasClient(emulator.url, Limits(), SystemClock())


@pytest.mark.parametrize(("knobs", "flaw"), NO_REFRESH_TOKEN + ONE_REFRESH_TOKEN)
def test_a_flaw_costs_no_access_token(
    emulator: EmulatorServer, client: CanvasClient, knobs: dict[str, Any], flaw: str
) -> None:
    """Only what is spoiled is missing, and it has a name."""
    emulator.fault(**knobs)
    pair = client.authenticate(KEYS)
    assert emulator.canvas.whoami(pair.access_token.reveal())
    assert 896 <= pair.lifetime <= 899
    assert pair.flaws == {flaw}
    assert (pair.refresh is None) is ((knobs, flaw) in NO_REFRESH_TOKEN)


@pytest.mark.parametrize("knobs", FORMS)
def test_valid_http_and_valid_instants_are_read(
    emulator: EmulatorServer, client: CanvasClient, knobs: dict[str, Any]
) -> None:
    """Whatever an edge, or another JSON writer, makes of an answer."""
    emulator.fault(**knobs)
    pair = client.authenticate(KEYS)
    assert emulator.canvas.whoami(pair.access_token.reveal())
    assert pair.refresh is not None
    assert pair.flaws == frozenset()


@pytest.mark.parametrize(
    ("knobs", "kind"),
    [
        ({"encoding": "unknown"}, "encoding"),
        ({"encoding": "gzip", "body": "oversize"}, "oversize"),
        ({"expiry": "past", "refresh_token": "missing"}, "expired_on_arrival"),
    ],
)
def test_what_cannot_be_read_stays_a_failure(
    emulator: EmulatorServer, client: CanvasClient, knobs: dict[str, Any], kind: str
) -> None:
    """An unknown encoding, a bomb, nothing that is alive."""
    emulator.fault(**knobs)
    with pytest.raises(AmbiguousError) as found:
        client.authenticate(KEYS)
    assert found.value.kind == kind


def test_a_cache_that_obeys_is_passed_over(emulator: EmulatorServer, client: CanvasClient) -> None:
    """Every request asks for an answer of Canvas itself."""
    emulator.fault(cache=60)
    first, second = client.authenticate(KEYS), client.authenticate(KEYS)
    assert first.access_token != second.access_token


def test_the_age_of_a_cache_shortens_the_life(
    emulator: EmulatorServer, client: CanvasClient
) -> None:
    """The token lives no longer than when it was given first; its refresh token is spent."""
    emulator.fault(cache=60, cache_obeys=False)
    first = client.authenticate(KEYS)
    time.sleep(1.1)
    again = client.authenticate(KEYS)
    assert again.access_token == first.access_token
    assert again.sent + again.lifetime <= first.sent + first.lifetime
    assert (again.refresh, again.flaws) == (None, frozenset({"from_cache"}))


def test_a_broker_serves_names_and_authenticates(
    tmp_path: Path, emulator: EmulatorServer, valkey: RedisServer
) -> None:
    """No refresh token at all: 200, a warning with its reason, one line, and no refresh ever."""
    emulator.fault(refresh_token="null", encoding="gzip", interim=103, headers=150, times=None)
    settings = {"BROKER_REDIS_PREFIX": "flawed", "BROKER_REPORT_MIN_AGE": "0.1"}
    with Deployment(tmp_path, emulator, valkey.url, settings=settings) as deployment:
        old = deployment.wait_for_token().body
        assert deployment.is_alive(old["access_token"])
        for broker in deployment.brokers:
            broker.wait_for("/token", lambda reply: reply.status == 200, deployment.key)
            health = broker.get("/health").body
            check = health["checks"]["organization:token"][0]
            assert (health["status"], check["status"]) == ("warn", "warn")
            assert check["flaws"] == ["no_refresh_token"]
            assert check["refresh_expires_in"] is None
        time.sleep(0.2)
        new = deployment.token(rejected=old["generation"]).body
        assert deployment.is_alive(new["access_token"])
        assert new["generation"] > old["generation"]
        assert deployment.calls() == {"authenticate": 2, "refresh": 0}
        for broker in deployment.brokers:
            broker.terminate()  # what waits to be logged is written
        log = "".join(broker.log() for broker in deployment.brokers)
        assert log.count("upstream.answered") == 2
        assert log.count("upstream.flawed") == 1


def test_a_cached_answer_is_no_other_token(
    tmp_path: Path, emulator: EmulatorServer, valkey: RedisServer
) -> None:
    """Who was refused with a token does not get it again under another generation."""
    emulator.fault(cache=600, cache_obeys=False, cache_tells_age=False)
    settings = {"BROKER_REDIS_PREFIX": "cached", "BROKER_REPORT_MIN_AGE": "0.1"}
    with Deployment(tmp_path, emulator, valkey.url, brokers=1, settings=settings) as deployment:
        old = deployment.wait_for_token().body
        emulator.revoke(old["access_token"])
        emulator.fault(status=500, calls="refresh", times=None)
        time.sleep(0.2)
        reply = deployment.token(rejected=old["generation"])
        assert reply.status == 503
        broker = deployment.brokers[0]

        def is_named(found: Any) -> bool:
            check = found.body["checks"]["organization:token"][0]
            return bool(check["last_error"] == "repeated_token")

        broker.wait_for("/health", is_named)
        assert deployment.token(rejected=old["generation"]).status == 503
        emulator.reset()
        deployment.wait_for_token()
        until = time.monotonic() + 60
        while (reply := deployment.token(rejected=old["generation"])).status != 200:
            assert time.monotonic() < until
            time.sleep(0.5)
        assert deployment.is_alive(reply.body["access_token"])
