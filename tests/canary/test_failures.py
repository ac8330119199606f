"""Every row of the failure matrix and every fault of the emulator, played on canary secrets."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from traceback import StackSummary, extract_tb
from typing import Any

import pytest
import redis

from broker.credentials import Credentials
from broker.emulator.server import EmulatorServer
from broker.errors import UpstreamError
from broker.secret import Secret
from tests.canary.conftest import Open
from tests.canary.stage import (
    NEXT_CONSUMER,
    NEXT_SECRET_KEY,
    PATIENCE,
    REDIS_PASSWORD,
    REDIS_PASSWORD_IN_URL,
    SECRET_KEY,
    SLOW,
    WRONG_KEY,
    Stage,
    dump,
    minted,
    write_keys,
)
from tests.servers import RedisServer

pytestmark = [pytest.mark.sockets, pytest.mark.usefixtures("nothing_printed")]

FAULTS: dict[str, dict[str, Any]] = {
    "401": {"status": 401},
    "404": {"status": 404},
    "429": {"status": 429},
    "429 with a pause": {"status": 429, "retry_after": 1},
    "429 with a date": {"status": 429, "retry_after": 1, "retry_after_as": "date"},
    "500": {"status": 500},
    "500 after the work": {"status": 500, "work": True, "body": "html"},
    "502": {"status": 502},
    "503": {"status": 503},
    "503 with a pause": {"status": 503, "retry_after": 1},
    "504": {"status": 504},
    "HTML": {"body": "html"},
    "empty": {"body": "empty"},
    "truncated": {"body": "truncated"},
    "half": {"body": "half"},
    "oversize": {"body": "oversize"},
    "wrong types": {"body": "wrong_types"},
    "no access token": {"body": "no_access_token"},
    "unknown encoding": {"encoding": "unknown"},
    "expired": {"expiry": "past"},
    "request lost": {"drop": "request"},
    "answer lost": {"drop": "answer"},
    "slow": {"latency": SLOW},
    "dripping": {"drip": 0.01},
    "held before": {"hold": "before"},
    "held after": {"hold": "after"},
}
NEXT_KEYS = Credentials(Secret(NEXT_CONSUMER), Secret(NEXT_SECRET_KEY))
LONG = {
    "BROKER_UPSTREAM_TIMEOUT": "7",
    "BROKER_LEASE": "33",
    "BROKER_LEASE_RESERVE": "10",
}
"""A call is still under way when something else has happened."""
STANDING: dict[str, dict[str, Any]] = {
    "short life": {"access_lifetime_authenticate": 20, "access_lifetime_refresh": 20},
    "refresh token over": {"refresh_lifetime": 0.2},
    "wrong clock": {"clock_shift": 600, "date_shift": -600},
    "one session": {"sessions": "single"},
    "flaws": {"expiry": "null", "refresh_token": "null", "prefix": False, "times": None},
    "edges": {"encoding": "gzip", "interim": 103, "headers": 200, "times": None},
}


def assert_tight(stage: Stage, emulator: EmulatorServer, server: RedisServer) -> None:
    """Look everywhere for all canaries, those that were minted in the meantime included."""
    stage.look_around()
    assert len(minted(emulator.canvas)) >= 2
    stage.finder.add(minted(emulator.canvas))
    assert stage.leaks() == []
    assert stage.finder.leaks(dump(server)) == []
    assert stage.finder.leaks(json.dumps(emulator.stats())) == []


@pytest.mark.parametrize(
    ("fault", "calls"),
    [*((fault, "both") for fault in FAULTS), *((fault, "refresh") for fault in ("401", "404"))],
)
def test_faults_of_canvas(
    fault: str,
    calls: str,
    opened: Open,
    emulator: EmulatorServer,
    guarded: RedisServer,
) -> None:
    """The refresh fails, and where both do, the Authenticate after it."""
    stage = opened()
    generation = stage.generation()
    emulator.fault(**FAULTS[fault], calls=calls, times=3)
    until = time.monotonic() + PATIENCE
    while not any(isinstance(error, UpstreamError) for error in stage.errors):
        assert time.monotonic() < until, stage.errors
        stage.refuse(generation)
    emulator.reset()
    assert_tight(stage, emulator, guarded)


@pytest.mark.parametrize("knobs", STANDING)
def test_canvas_behaving_otherwise(
    knobs: str, opened: Open, emulator: EmulatorServer, guarded: RedisServer
) -> None:
    """Short lives, wrong clocks, other sessions."""
    emulator.fault(**STANDING[knobs])
    stage = opened()
    generation = stage.generation()
    stage.refuse(generation)
    assert_tight(stage, emulator, guarded)


def test_revoked_token(opened: Open, emulator: EmulatorServer, guarded: RedisServer) -> None:
    """A caller says which generation was refused, and gets another."""
    stage = opened()
    token = stage.get().json or {}
    emulator.revoke(token["access_token"])
    stage.refuse(token["generation"])
    assert stage.generation() > token["generation"]
    assert_tight(stage, emulator, guarded)


def test_wrong_keys_replaced(
    tmp_path: Path, opened: Open, emulator: EmulatorServer, guarded: RedisServer
) -> None:
    """Canvas answers 401 until the right ones lie there; broken files are refused before."""
    stage = opened()
    stage.generation()
    write_keys(tmp_path, NEXT_CONSUMER, SECRET_KEY)
    _wait(lambda: stage.get("/health").json, "keys_rejected")
    write_keys(tmp_path, NEXT_CONSUMER, f"{NEXT_SECRET_KEY} {WRONG_KEY}")
    _wait(lambda: stage.get("/health").json, "must be a UUID")
    (tmp_path / "credentials" / "acme" / "consumer").write_bytes(NEXT_CONSUMER.encode() + b"\xff")
    _wait(lambda: stage.get("/health").json, "is not UTF-8")
    (tmp_path / "callers.toml").write_text(f'[callers.x]\nkey_sha256 = "{WRONG_KEY}"\n')
    _wait(lambda: stage.get("/health").json, "key_sha256")
    (tmp_path / "callers.toml").write_text(f"[callers.x]\nkey_sha256 = {WRONG_KEY}\n")
    _wait(lambda: stage.get("/health").json, "is not TOML")
    assert_tight(stage, emulator, guarded)


def test_credentials_replaced_in_flight(
    tmp_path: Path, opened: Open, emulator: EmulatorServer, guarded: RedisServer
) -> None:
    """The old refresh is under way when the new keys come."""
    stage = opened(**LONG)
    generation = stage.generation()
    emulator.fault(hold="before", calls="refresh")
    stage.refuse(generation)
    write_keys(tmp_path, NEXT_CONSUMER, NEXT_SECRET_KEY)
    _wait(lambda: stage.get("/health").json, NEXT_KEYS.version)
    emulator.release()
    assert stage.generation()
    assert_tight(stage, emulator, guarded)


def test_redis_hangs_and_forgets(
    opened: Open, emulator: EmulatorServer, guarded: RedisServer
) -> None:
    """While a commit is due, and before: it lands later, or the record is put back."""
    stage = opened(**LONG)
    generation = stage.generation()
    emulator.fault(hold="after", calls="refresh")
    stage.refuse(generation)
    guarded.hang()
    try:
        emulator.release()
        _wait(lambda: [frame.name for each in stage.errors for frame in frames(each)], '"commit"')
        stage.get()
        stage.look_around()
    finally:
        guarded.resume()
    with redis.Redis(port=guarded.port, password=REDIS_PASSWORD) as client:
        client.flushall()
    stage.generation()
    assert_tight(stage, emulator, guarded)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:a-wrong-password-{password}@127.0.0.1:{port}/0",
        "redis://{password}:a-wrong-one@127.0.0.1:{port}/0",
        "redis://127.0.0.1:{port}/0",
        "rediss://:{password}@127.0.0.1:{port}/0",
        "redis://:{password}@127.0.0.1:1/0",
        "redis://:{password}@nowhere.invalid:1/0",
        "unix://:{password}@/nowhere/at/all",
        "redis+sentinel://:{password}@127.0.0.1:{port}/service?sentinel_password={password}",
        "redis+cluster://:{password}@127.0.0.1:{port}",
    ],
)
def test_redis_out_of_reach(
    url: str, opened: Open, emulator: EmulatorServer, guarded: RedisServer
) -> None:
    """Refused, unknown, of another kind, or with another password: nobody hears which."""
    address = url.format(password=REDIS_PASSWORD_IN_URL, port=guarded.port)
    stage = opened(BROKER_REDIS_URL=address)
    assert stage.get().status_code == 503
    time.sleep(0.3)
    stage.get()
    stage.look_around()
    assert stage.leaks() == []
    assert stage.finder.leaks(dump(guarded)) == []
    assert not minted(emulator.canvas)


def frames(error: Exception) -> StackSummary:
    """Return where an exception came from."""
    return extract_tb(error.__traceback__)


def _wait(look: Callable[[], object], word: str) -> None:
    until = time.monotonic() + PATIENCE
    while word not in json.dumps(seen := look()):
        assert time.monotonic() < until, seen
        time.sleep(0.02)
