"""One Valkey with a password, one emulator and one broker per test, all overheard."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from broker.emulator.canvas import Canvas
from broker.emulator.server import EmulatorServer
from tests.canary.finder import Everything, Finder
from tests.canary.stage import (
    CONSUMER,
    KNOWN,
    NEXT_CONSUMER,
    NEXT_SECRET_KEY,
    REDIS_PASSWORD,
    SECRET_KEY,
    Stage,
    minted,
    overhear,
    write_settings,
)
from tests.servers import RedisServer, valkey_binary

Open = Callable[..., Stage]


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Run a Valkey that asks for a password."""
    with RedisServer(valkey_binary(), tmp_path_factory.mktemp("guarded")) as server:
        with server.client() as client:
            client.config_set("requirepass", REDIS_PASSWORD)
        yield server


@pytest.fixture
def emulator() -> Iterator[EmulatorServer]:
    """Play Canvas for the old and the new keys."""
    keys = {CONSUMER: SECRET_KEY, NEXT_CONSUMER: NEXT_SECRET_KEY}
    with EmulatorServer(Canvas(keys)) as server:
        yield server


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Everything]:
    """Overhear all logs and the exceptions of the adapters."""
    handler = overhear(monkeypatch)
    yield handler
    monkeypatch.undo()
    logging.getLogger().manager._clear_cache()  # type: ignore[attr-defined] # as in overhear


@pytest.fixture
def opened(
    tmp_path: Path, emulator: EmulatorServer, guarded: RedisServer, heard: Everything
) -> Iterator[Open]:
    """Return how to start a broker; given settings go before the usual ones."""
    with ExitStack() as stack:

        def start(**settings: str) -> Stage:
            environ = write_settings(tmp_path, emulator.url, guarded.port) | settings
            stage = Stage(environ, Finder(*KNOWN), heard)
            stack.enter_context(stage.running())
            return stage

        yield start


@pytest.fixture
def nothing_printed(
    capfd: pytest.CaptureFixture[str], heard: Everything, emulator: EmulatorServer
) -> Iterator[None]:
    """Look through what goes to standard output (the audit) and standard error, too."""
    yield
    finder = Finder(*KNOWN, *minted(emulator.canvas))
    assert finder.leaks("".join(capfd.readouterr())) == []
    assert heard.lines
