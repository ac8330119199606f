"""Take out what keeps secrets in, and the canaries are found."""

import ast
import logging
import logging.config
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import RedisError

from broker.emulator.server import EmulatorServer
from broker.errors import StoreUnavailableError
from broker.settings import LogLevel
from broker.store.pool import BackgroundPool
from broker.store.scripts import Scripts
from broker.upstream.wire import _Carrier
from broker.web import log_formats
from broker.web.logs import LineHandler, logging_config
from tests.canary.conftest import Open
from tests.canary.finder import Finder
from tests.canary.stage import CONSUMER, KNOWN, REDIS_PASSWORD_IN_URL, minted
from tests.servers import RedisServer
from tests.web.kept import KeptLines

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "broker").rglob("*.py"))
INSIDE = {"bounded.py: _call"}
"""Raises with its cause, which tells of TLS; :class:`Scripts` lets neither of them out."""


def lines() -> str:
    """Return what the handler writes of careless lines, the broker's and a library's."""
    config = logging_config(LogLevel.DEBUG)
    formatter = logging.config.DictConfigurator(config).configure_formatter(
        config["formatters"]["line"]
    )
    out = KeptLines()
    handler = LineHandler(out)
    handler.setFormatter(formatter)
    for logger in ("broker.x", "library"):
        log = logging.Logger(logger)  # noqa: LOG001  # nobody else is to have it
        log.addHandler(handler)
        log.debug("careless: %s", CONSUMER)
        log.debug("token.refreshed", extra={"organization": "acme", "careless": CONSUMER})
        log.debug("process.crashed", exc_info=ValueError(CONSUMER))
    return out.text


class Anything(dict[str, Any]):
    """In place of the events: whatever is said is one, with whatever is with it."""

    def get(self, _: object, default: Any = None) -> Any:
        """Allow every name that a record may have."""
        del default
        return ("careless",)


def test_the_allow_list_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Careless lines show nothing as long as it says what may be shown."""
    finder = Finder(CONSUMER)
    shown = lines()
    assert shown.count("\n") == 6
    assert finder.leaks(shown) == []
    monkeypatch.setattr(log_formats, "EVENTS", Anything())
    assert finder.leaks(lines())


def careless_carrier(self: Any) -> None:
    """Do as the carrier does, but let the error keep what caused it."""
    try:
        self.attempt.finish(self._converse())
    except Exception as error:  # noqa: BLE001  # as the original
        failure = self.attempt.failure(self._kind(error))
        failure.__cause__ = error
        self.attempt.finish(failure)


@pytest.mark.sockets
def test_the_past_of_upstream_errors_let_through(
    opened: Open, emulator: EmulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The frames of the HTTP client hold the URL, and in it the refresh token."""
    monkeypatch.setattr(_Carrier, "run", careless_carrier)
    stage = opened()
    generation = stage.generation()
    stage.finder.add(minted(emulator.canvas))
    assert stage.leaks() == []
    emulator.fault(drop="answer", calls="refresh")
    stage.refuse(generation)
    found = " ".join(stage.leaks())
    assert any(token in found for token in minted(emulator.canvas) if "." not in token)


def careless_try(self: Scripts, operation: Callable[[], Any]) -> Any:
    """Do as the scripts do, but raise while the error of redis-py is handled."""
    try:
        return operation()
    except RedisError:
        raise StoreUnavailableError("Redis failed")  # noqa: B904  # the mutation


def careless_get(self: BackgroundPool) -> Any:
    """Do as the pool does, but raise what a set-up failed of with its past."""
    found = self._take() or self._wait()
    if isinstance(found, Exception):
        raise found
    return found


@pytest.mark.sockets
def test_the_past_of_store_errors_let_through(
    opened: Open, guarded: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The frames of redis-py hold the password that was refused."""
    monkeypatch.setattr(Scripts, "_try", careless_try)
    monkeypatch.setattr(BackgroundPool, "get_connection", careless_get)
    url = f"redis://nobody:{REDIS_PASSWORD_IN_URL}@127.0.0.1:{guarded.port}/0"
    stage = opened(BROKER_REDIS_URL=url)
    stage.get()
    assert stage.finder.leaks("\n".join(stage.shown)) == []
    assert stage.leaks()


class Keeping(ast.NodeTransformer):
    """Takes every ``from None`` out of a module."""

    def visit_Raise(self, node: ast.Raise) -> ast.Raise:
        """Drop the cause if it is None."""
        if isinstance(node.cause, ast.Constant):
            node.cause = None
        return node


def with_a_past(path: Path, tree: ast.AST) -> Iterator[str]:
    """Find the errors that are raised while another is handled, and keep it."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            handlers = [n for n in ast.walk(function) if isinstance(n, ast.ExceptHandler)]
            for node in (n for handler in handlers for n in ast.walk(handler)):
                if isinstance(node, ast.Raise) and node.exc and not _is_none(node.cause):
                    yield f"{path.name}: {function.name}"


def _is_none(cause: ast.expr | None) -> bool:
    return isinstance(cause, ast.Constant) and cause.value is None


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_error_keeps_another(path: Path) -> None:
    """Whatever is raised while an error is handled says ``from None``; without, it is found."""
    text = path.read_text("utf-8")
    assert set(with_a_past(path, ast.parse(text))) <= INSIDE
    if " from None" in text:
        assert set(with_a_past(path, Keeping().visit(ast.parse(text)))) - INSIDE


def test_the_canaries_are_told_apart() -> None:
    """Each has a value of its own, so that a finding names what leaked."""
    assert len(set(KNOWN)) == len(KNOWN)
    assert not [one for one in KNOWN for other in KNOWN if one != other and one in other]
