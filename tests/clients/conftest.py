import time
from collections.abc import Callable, Iterator

import pytest

from tests.clients.stage import Stage, staged
from tests.servers import RedisServer


@pytest.fixture(scope="package")
def stage(valkey: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Start one broker for all clients."""
    with staged(tmp_path_factory.mktemp("clients"), valkey.url) as running:
        yield running


@pytest.fixture
def caller(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Put this process where docs/clients.md puts a caller: into its environment."""
    for name, value in stage.environ.items():
        monkeypatch.setenv(name, value)
    # Both the library and this broker would rather have TLS.
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    return stage


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return what moves this process's clock ahead; the broker and Canvas keep theirs."""
    real = time.time

    def move(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: real() + seconds)

    return move
