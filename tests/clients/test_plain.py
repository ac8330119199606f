"""The sample that needs no library: it keeps the token as docs/clients.md says."""

from collections.abc import Callable
from urllib.error import HTTPError, URLError

import pytest

from tests.clients.samples.plain import CanvasToken
from tests.clients.stage import Stage
from tests.servers import free_port

pytestmark = pytest.mark.sockets


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 5.0

    def __call__(self) -> float:
        """Return the instant in seconds."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Return the sample's clock."""
    return Clock()


@pytest.fixture
def by_key(caller: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Take the service-account token away, so that the caller is ``billing``."""
    monkeypatch.delenv("TOKEN_BROKER_TOKEN_FILE")
    return caller


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return what takes the broker out of reach."""
    return lambda: monkeypatch.setenv("TOKEN_BROKER", f"http://127.0.0.1:{free_port()}")


def works(stage: Stage, header: str) -> bool:
    """Tell whether Canvas takes this header."""
    return stage.deployment.is_alive(header.removeprefix("Bearer "))


def test_by_key(by_key: Stage) -> None:
    """The header is one that Canvas takes."""
    assert works(by_key, CanvasToken("acme").header())


def test_in_a_pod(caller: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service-account token is a credential of its own."""
    monkeypatch.delenv("TOKEN_BROKER_KEY")
    assert works(caller, CanvasToken("acme").header())


def test_keeps_the_token(by_key: Stage, clock: Clock, cut: Callable[[], None]) -> None:
    """Through an outage of the broker, but never longer than the token lives."""
    token = CanvasToken("acme", clock)
    header = token.header()
    answer = by_key.current().body
    cut()
    clock.now += answer["refresh_in"] / 2
    assert token.header() == header
    clock.now = 5.0 + answer["expires_in"] - 5
    assert token.header() == header
    clock.now += 10
    with pytest.raises(URLError):
        token.header()


def test_asks_again_when_it_is_worth_it(by_key: Stage, clock: Clock) -> None:
    """Not before."""
    token = CanvasToken("acme", clock)
    old = token.header()
    waits = by_key.current().body["refresh_in"]
    token._answer["access_token"] = "kept"
    clock.now = 5.0 + waits * 0.75
    assert token.header() == "Bearer kept"
    clock.now = 5.0 + waits * 1.25
    assert token.header() == old


def test_waits_as_long_as_it_is_told(by_key: Stage, clock: Clock) -> None:
    """Between two attempts that fail."""
    token = CanvasToken("acme", clock)
    header = token.header()
    clock.now = token._dead_at - 100
    token._organization = "umbrella"
    assert token.header() == header
    with pytest.raises(HTTPError) as told:
        CanvasToken("umbrella", clock).header()
    waits = token._ask_at - clock.now
    assert waits - 10 < int(told.value.headers["Retry-After"]) <= waits
    told.value.close()


def test_without_a_token_the_error_is_told(by_key: Stage) -> None:
    """With what the broker says about when to come back."""
    with pytest.raises(HTTPError) as found:
        CanvasToken("umbrella").header()
    assert found.value.code == 503
    assert int(found.value.headers["Retry-After"]) >= 1
    found.value.close()


def test_a_refused_token_is_replaced(by_key: Stage) -> None:
    """Once, however often that is reported."""
    token = CanvasToken("acme")
    old = token.header()
    by_key.deployment.emulator.revoke(old)
    assert not works(by_key, old)
    token.refused(old)
    new = token.header()
    assert works(by_key, new)
    token.refused(old)
    assert token.header() == new
