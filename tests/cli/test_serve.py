"""``broker serve`` starts from sound settings, and tells every problem of unsound ones."""

import ctypes
import errno
import importlib
import logging
import os
import resource
import subprocess
import sys
from typing import Any

import pytest
from click.testing import CliRunner, Result

from broker.cli import main
from broker.settings import Inputs, Settings
from broker.web.debugging import forbid_debugging
from tests.files.folders import keys

module = importlib.import_module("broker.cli.serve")
SECRETS = ("redis-password", keys("a").consumer.reveal(), keys("a").secret_key.reveal(), "canary")


class Started:
    """Stands in for gunicorn, and remembers what it was to serve."""

    def __init__(self) -> None:
        self.settings: Settings | None = None
        self.inputs: Inputs | None = None
        self.logging: dict[str, Any] = {}
        self.ran = False
        self.closed = 0

    def make(self, settings: Settings, inputs: Inputs) -> "Started":
        """Take the place of the class."""
        self.settings, self.inputs = settings, inputs
        return self

    def close(self) -> None:
        """Take the place of what keeps debuggers out; nothing may be served before."""
        assert self.inputs is None
        self.closed += 1

    def run(self) -> None:
        """Return at once."""
        self.ran = True


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Started:
    """Start nothing, and leave the logging of the tests alone."""
    caplog.set_level(logging.INFO, logger="broker")
    server = Started()
    monkeypatch.setattr(module, "BrokerServer", server.make)
    monkeypatch.setattr(module, "forbid_debugging", server.close)
    monkeypatch.setattr("logging.config.dictConfig", server.logging.update)
    for name in [name for name in os.environ if name.startswith("BROKER_")]:
        monkeypatch.delenv(name)
    return server


def _serve(environ: dict[str, str], *options: str) -> Result:
    return CliRunner().invoke(main, ["serve", *options], env=environ)


def test_sound_settings_are_served(environ: dict[str, str], started: Started) -> None:
    """With the files behind them read."""
    result = _serve(environ)
    assert (result.exit_code, result.output) == (0, "")
    assert started.ran
    assert started.closed
    assert started.settings is not None
    assert started.settings.bind == ("127.0.0.1:8080",)
    assert started.inputs is not None
    assert list(started.inputs.credentials.current) == ["acme"]


def test_the_settings_are_logged_once_without_secrets(
    environ: dict[str, str], started: Started, caplog: pytest.LogCaptureFixture
) -> None:
    """Every one of them, in one line."""
    _serve({**environ, "BROKER_LOG_LEVEL": "debug"})
    (record,) = caplog.records
    shown = vars(record)["settings"]
    assert record.message == "service.settings"
    assert shown["BROKER_WORKERS"] == 2
    assert shown["BROKER_REDIS_URL"] == "redis://127.0.0.1:1"
    assert not [secret for secret in SECRETS if secret in repr(vars(record))]
    assert started.logging["loggers"]["broker"]["level"] == "DEBUG"


def test_debuggers_may_be_let_in(environ: dict[str, str], started: Started) -> None:
    """By a setting."""
    assert _serve({**environ, "BROKER_ALLOW_DEBUGGING": "true"}).exit_code == 0
    assert (started.ran, started.closed) == (True, 0)


def test_a_kernel_that_lets_them_in_anyway(
    environ: dict[str, str], started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is told; nothing is served unless a setting allows it."""

    class Refusing:
        def prctl(self, *_: object) -> int:
            ctypes.set_errno(errno.EPERM)
            return -1

    monkeypatch.setattr(module, "forbid_debugging", forbid_debugging)
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: Refusing())
    result = _serve(environ)
    assert result.exit_code == 1
    assert "BROKER_ALLOW_DEBUGGING must be true here" in result.stderr
    assert "Operation not permitted" in result.stderr
    assert not started.ran


def test_options_go_before_the_environment(environ: dict[str, str], started: Started) -> None:
    """Where both say something."""
    environ |= {"BROKER_BIND": "127.0.0.1:1", "BROKER_WORKERS": "1", "BROKER_THREADS": "2"}
    _serve(environ, "--bind", "127.0.0.1:8099,[::1]:8099", "--workers", "5", "--threads", "6")
    assert started.settings is not None
    assert started.settings.bind == ("127.0.0.1:8099", "[::1]:8099")
    assert (started.settings.workers, started.settings.threads) == (5, 6)


def test_without_options_the_environment_counts(environ: dict[str, str], started: Started) -> None:
    """Each option stands for its own setting only."""
    environ |= {"BROKER_BIND": "127.0.0.1:1", "BROKER_WORKERS": "1", "BROKER_THREADS": "2"}
    _serve(environ, "--threads", "9")
    assert started.settings is not None
    assert started.settings.bind == ("127.0.0.1:1",)
    assert (started.settings.workers, started.settings.threads) == (1, 9)


@pytest.mark.parametrize(
    ("option", "text", "problem"),
    [
        ("--bind", "nowhere", "BROKER_BIND must be"),
        ("--bind", "0.0.0.0:80,", "BROKER_BIND must be"),
        ("--workers", "0", "BROKER_WORKERS must be a whole number from 1 up"),
        ("--workers", "many", "BROKER_WORKERS must be"),
        ("--threads", "1", "BROKER_THREADS must be a whole number from 2 up"),
    ],
)
def test_a_bad_option_is_told_as_its_setting(
    environ: dict[str, str], started: Started, option: str, text: str, problem: str
) -> None:
    """By the same check."""
    result = _serve(environ, option, text)
    assert result.exit_code == 1
    assert problem in result.stderr
    assert not started.ran


def test_an_open_address_is_refused_where_nobody_is_asked(
    environ: dict[str, str], started: Started
) -> None:
    """Also if it comes by the option."""
    del environ["BROKER_CALLERS_FILE"]
    environ["BROKER_CALLER_AUTH"] = "none"
    result = _serve(environ, "--bind", "0.0.0.0:8080")
    assert result.exit_code == 1
    assert "BROKER_CALLER_AUTH is none" in result.stderr
    assert not started.ran
    assert _serve(environ, "--bind", "127.0.0.1:8080").exit_code == 0


BAD = {
    "BROKER_CONSUMER": "canary-consumer",
    "BROKER_REDIS_URL": "http://user:canary-password@redis/",
    "BROKER_CANVAS_URL": "http://canvas.example/api",
    "BROKER_CALLERS_FILE": "/nowhere/canary",
    "BROKER_WAIT": "30",
    "BROKER_WORKER": "3",
    "BROKER_LOG_LEVEL": "canary-loud",
}


@pytest.mark.sockets
def test_every_problem_is_told_on_standard_error_and_the_process_ends() -> None:
    """In one message, without a traceback and without a secret."""
    clean = {name: text for name, text in os.environ.items() if not name.startswith("BROKER_")}
    ended = subprocess.run(
        [sys.executable, "-m", "broker", "serve"],
        env={**clean, **BAD},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    lines = ended.stderr.splitlines()
    assert (ended.returncode, ended.stdout) == (1, "")
    assert lines[0] == "The settings are not usable:"
    assert all(line.startswith("- BROKER_") for line in lines[1:])
    for name in [*BAD, "BROKER_SECRET_KEY"]:
        assert any(line.startswith(f"- {name} ") for line in lines), name
    assert "did you mean BROKER_WORKERS?" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "canary" not in ended.stderr
    assert "/nowhere" not in ended.stderr


def test_a_file_that_breaks_between_check_and_start_is_told_alike(
    environ: dict[str, str], started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second reading counts."""
    load = module.load

    def then_break(given: dict[str, str]) -> Settings:
        settings: Settings = load(given)
        assert settings.callers_file is not None
        settings.callers_file.unlink()
        return settings

    monkeypatch.setattr(module, "load", then_break)
    result = _serve(environ)
    assert result.exit_code == 1
    assert "BROKER_CALLERS_FILE does not exist" in result.stderr
    assert not started.ran
