"""Exceptions that nobody foresaw leave the adapters without a secret in any variable."""

import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from broker.clock import SystemClock
from broker.credentials import Credentials
from broker.errors import AmbiguousError, BrokerError, StoreUnavailableError
from broker.files.reading import LIMIT, UnreadableError, read_text
from broker.limits import Limits
from broker.secret import Secret
from broker.store import seal as seal_module
from broker.store.breaker import Breaker
from broker.store.codec import open_record, seal_record
from broker.store.connect import connect
from broker.store.redis_store import RedisRecordStore
from broker.store.redis_stores import RedisRecordStores
from broker.store.scripts import Scripts
from broker.store.seal import Seal
from broker.tokens import Record
from broker.upstream import CanvasClient
from broker.upstream import client as client_module
from tests.canary.finder import Finder, everything
from tests.canary.stage import CONSUMER, KNOWN, REDIS_PASSWORD_IN_URL, SECRET_KEY
from tests.upstream.samples import body, http
from tests.upstream.scripted import ScriptedServer

ACCESS = "canary-header.canary-payload.canary-signature"
REFRESH = "canary-refresh-token"
FINDER = Finder(*KNOWN, ACCESS, REFRESH)
URL = f"redis://:{REDIS_PASSWORD_IN_URL}@127.0.0.1:1/0"


def credentials() -> Credentials:
    """Return the canary keys."""
    return Credentials(Secret(CONSUMER), Secret(SECRET_KEY))


def record() -> Record:
    """Return a record of canary tokens."""
    return Record(1, 1, Secret(ACCESS), 900.0, 2e9, 300.0, Secret(REFRESH), 2e9)


def fail(*_: object, **__: object) -> NoReturn:
    """Stand in for code with a defect, which holds all that it was given."""
    raise RuntimeError("a defect")


def store() -> RedisRecordStore:
    """Return a record store on a Redis that is not there."""
    scripts = Scripts(connect(URL, Limits()), Breaker(SystemClock(), 1.0))
    return RedisRecordStores(scripts, Limits(), "canary", "scope").open("acme", credentials())


def shown(kind: type[Exception], call: Callable[[], object]) -> str:
    """Return all that the exception of ``call`` could show."""
    with pytest.raises(kind) as found:
        call()
    return everything(found.value)


@pytest.mark.parametrize("defect", [RuntimeError, TypeError, UnicodeError, KeyError, OSError])
def test_in_redis_py(defect: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its frames hold the password and its message may; the error of the store names its class."""

    def connection_fails(self: Any) -> NoReturn:
        raise defect(self.credential_provider, self.password)

    monkeypatch.setattr("redis.connection.Connection._connect", connection_fails)
    text = shown(StoreUnavailableError, lambda: store().read(0))
    assert FINDER.leaks(text) == []
    assert "Redis failed" in text


@pytest.mark.sockets
def test_in_reading_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows whether Canvas did its work, and nobody sees the body."""
    monkeypatch.setattr(client_module, "read_pair", fail)
    content = body(access_token=f"Bearer {ACCESS}", refresh_token=REFRESH)
    with ScriptedServer(http(content)) as server:
        canvas = CanvasClient(server.url, Limits(), SystemClock())
        text = shown(AmbiguousError, lambda: canvas.refresh(credentials(), Secret(REFRESH)))
    assert FINDER.leaks(text) == []


@pytest.mark.parametrize("place", ["AESGCM", "HKDF"])
def test_in_sealing(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the keys nor what is sealed is in a variable."""
    monkeypatch.setattr(seal_module, place, Broken)
    text = shown(TypeError, lambda: seal_record(Seal("acme", credentials(), "s"), record()))
    assert FINDER.leaks(text) == []


def test_in_opening(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was in the seal is in no variable, either."""
    seal = Seal("acme", credentials(), "scope")
    sealed = seal_record(seal, record())
    monkeypatch.setattr("broker.store.codec.Record", fail)
    text = shown(RuntimeError, lambda: open_record(seal, 1, sealed))
    assert FINDER.leaks(text) == []


class Broken:
    """Cryptography that fails outside of Python, as the real one would: with no frame."""

    derive = staticmethod(operator.index)
    encrypt = staticmethod(operator.index)

    def __init__(self, *_: object, **__: object) -> None:
        del _, __


@pytest.mark.parametrize("spoil", [b"\xff", b" " * LIMIT])
def test_in_a_file(spoil: bytes, tmp_path: Path) -> None:
    """What could be read of a file that cannot be used is not shown."""
    (tmp_path / "consumer").write_bytes(CONSUMER.encode() + spoil)
    text = shown(UnreadableError, lambda: read_text(tmp_path / "consumer"))
    assert FINDER.leaks(text) == []


def test_errors_of_the_product_have_no_past(tmp_path: Path) -> None:
    """A context that is only suppressed is still there for whoever looks."""
    for kind, call in (
        (UnreadableError, lambda: read_text(tmp_path / "nothing")),
        (UnreadableError, lambda: read_text(tmp_path / "\0")),
        (BrokerError, lambda: store().read(0)),
    ):
        with pytest.raises(kind) as found:
            call()
        assert (found.value.__cause__, found.value.__context__) == (None, None)
