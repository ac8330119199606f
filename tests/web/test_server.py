"""gunicorn is set from the settings alone, and starts and stops the service in each worker."""

import gc
import json
import logging
import re
import resource
import ssl
import threading
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config

from broker.listener.link import Link
from broker.settings import load, load_inputs
from broker.web.app import SERVICE
from broker.web.event_worker import EventWorker
from broker.web.log_formats import Json
from broker.web.logs import standard_output
from broker.web.runtime import RuntimeFolder
from broker.web.server import (
    BrokerServer,
    PlacedLogger,
    management_options,
    options,
)
from tests.redis.certificates import LOOPBACK, Authority


@pytest.fixture(autouse=True)
def _no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave no folder behind, and let this process go on counting in memory."""
    folder = RuntimeFolder(tmp_path, temporary=False)
    monkeypatch.setattr("broker.web.server.make_runtime_folder", lambda *_: folder)


@pytest.fixture
def server(environ: dict[str, str]) -> BrokerServer:
    """Make a server that is set and does not run."""
    settings = load(
        {
            **environ,
            "BROKER_BIND": "127.0.0.1:8123,[::1]:8123,unix:/run/broker.sock",
            "BROKER_SOCKET_MODE": "640",
            "BROKER_WORKERS": "3",
            "BROKER_THREADS": "7",
            "BROKER_GRACEFUL_TIMEOUT": "33.5",
            "BROKER_LOG_LEVEL": "error",
        }
    )
    return BrokerServer(settings, load_inputs(settings))


def _cfg(server: BrokerServer) -> Config:
    assert server.cfg is not None
    return server.cfg


def test_the_settings_reach_gunicorn(server: BrokerServer) -> None:
    """Addresses, workers, threads, time to stop, log level."""
    cfg = _cfg(server)
    assert cfg.bind == ["127.0.0.1:8123", "[::1]:8123", "unix:/run/broker.sock"]
    assert (cfg.workers, cfg.threads, cfg.graceful_timeout) == (3, 7, 33)
    assert cfg.worker_class is EventWorker
    assert cfg.asgi_loop == "asyncio"
    assert cfg.umask == 0o137
    assert cfg.logconfig_dict["loggers"]["gunicorn.error"]["level"] == "ERROR"


def test_nothing_is_loaded_before_the_fork(server: BrokerServer) -> None:
    """Threads and clients do not survive one."""
    assert not _cfg(server).preload_app
    assert server.callable is None


def test_there_is_no_control_socket(server: BrokerServer) -> None:
    """It needs a writable directory, which a container has not."""
    assert _cfg(server).control_socket_disable


def test_a_hung_worker_is_ended(server: BrokerServer) -> None:
    """In time."""
    assert 5 < _cfg(server).timeout <= 60


def test_heartbeats_go_to_memory(server: BrokerServer) -> None:
    """A slow disk would look like a hung worker; without such memory gunicorn chooses."""
    assert _cfg(server).worker_tmp_dir in {"/dev/shm", None}


def test_no_file_or_variable_of_gunicorn_is_read(
    environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything is said by BROKER_*."""
    (tmp_path / "gunicorn.conf.py").write_text("workers = 9\npreload_app = True\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--workers 8 --preload")
    monkeypatch.setenv("WEB_CONCURRENCY", "7")
    settings = load(environ)
    cfg = _cfg(BrokerServer(settings, load_inputs(settings)))
    assert (cfg.workers, cfg.preload_app) == (2, False)


def test_sockets_that_are_held_are_served(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In place of new ones, also after SIGHUP; and a worker has no connection to the listener."""
    settings = load({**environ, "BROKER_LISTENER": "/run/listener"})
    closed: list[str] = []
    monkeypatch.setattr(Link, "take", lambda _: [7, 8])
    monkeypatch.setattr(Link, "close", lambda _: closed.append("link"))
    held = BrokerServer(settings, load_inputs(settings))
    assert _cfg(held).bind == ["fd://7", "fd://8"]
    held.reload()
    assert _cfg(held).bind == ["fd://7", "fd://8"]
    _cfg(held).post_fork(None, SimpleNamespace(slot=0))
    assert closed == ["link"]


def test_no_option_holds_a_secret(environ: dict[str, str]) -> None:
    """They are printed by gunicorn at level debug."""
    settings = load(environ)
    folder = RuntimeFolder(Path("/nowhere"), temporary=False)
    assert "redis-password" not in repr(options(settings, load_inputs(settings), folder))


def test_each_worker_has_an_application_of_its_own(server: BrokerServer) -> None:
    """With a service that does not run yet."""
    assert server.load() is not server.load()
    assert not {"refresher", "reloader"} & {thread.name for thread in threading.enumerate()}


def test_the_service_starts_and_stops_with_the_worker(server: BrokerServer) -> None:
    """By gunicorn's hooks."""
    told: list[str] = []
    service = SimpleNamespace(start=lambda: told.append("start"), stop=lambda: told.append("stop"))
    service.readiness = SimpleNamespace(may_accept=lambda: told.append("accepts"))
    worker = SimpleNamespace(wsgi=SimpleNamespace(extensions={SERVICE: service}), may_accept=None)
    _cfg(server).post_worker_init(worker)
    worker.may_accept()
    assert told.pop() == "accepts"
    assert not worker.is_draining()
    assert told == ["start"]
    _cfg(server).worker_exit(None, worker)
    assert told == ["start", "stop"]


def test_the_collector_leaves_alone_what_workers_share(server: BrokerServer) -> None:
    """It would write to the pages, and each worker would get its own copy of all of them."""
    service = SimpleNamespace(start=lambda: None, readiness=SimpleNamespace(may_accept=None))
    worker = SimpleNamespace(wsgi=SimpleNamespace(extensions={SERVICE: service}))
    try:
        for hook, argument in (("when_ready", None), ("post_worker_init", worker)):
            gc.unfreeze()
            _cfg(server).settings[hook].get()(argument)
            assert gc.get_freeze_count() > 10_000
    finally:
        gc.unfreeze()


def test_a_worker_that_died_before_it_had_an_application_stops_nothing(
    server: BrokerServer,
) -> None:
    """Its own error is the one to see."""
    _cfg(server).worker_exit(None, SimpleNamespace())
    _cfg(server).worker_exit(None, SimpleNamespace(wsgi=None))


def test_gunicorn_writes_no_line_per_request(
    server: BrokerServer, caplog: pytest.LogCaptureFixture
) -> None:
    """It would repeat the query."""
    caplog.set_level(logging.DEBUG)
    assert _cfg(server).logger_class is PlacedLogger
    logger = PlacedLogger.__new__(PlacedLogger)
    logger.access(SimpleNamespace(status="200 OK"), object(), {"QUERY_STRING": "canary"}, None)
    assert caplog.records == []


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error", "critical", "exception"])
def test_a_line_of_gunicorn_says_where_it_was_said_and_nothing_else(
    server: BrokerServer, caplog: pytest.LogCaptureFixture, level: str
) -> None:
    """At level debug gunicorn shows the beginning of requests that were broken off."""
    caplog.set_level(logging.DEBUG)
    logger = PlacedLogger.__new__(PlacedLogger)
    logger.error_log = logging.getLogger("gunicorn.error")
    try:
        int("canary")
    except ValueError:
        getattr(logger, level)("Ignored premature client disconnection. %s", "canary")
    line = Json().format(caplog.records[0])
    assert "canary" not in line
    here = "test_a_line_of_gunicorn_says_where_it_was_said_and_nothing_else"
    assert json.loads(line)["place"].startswith(f"test_server.{here}:")
    assert ("calls" in json.loads(line)) == (level == "exception")


def test_the_places_in_gunicorn_that_are_documented() -> None:
    """The page on operations names them."""
    text = (Path(__file__).parents[2] / "docs/operations.md").read_text("utf-8")
    names = re.findall(r"`arbiter\.(\w+)`", text)
    assert {"murder_workers", "reap_workers"} <= set(names)
    assert all(hasattr(Arbiter, name) for name in names)


def test_tls(environ: dict[str, str], tmp_path: Path) -> None:
    """It is served when certificates are given."""
    pair = Authority(tmp_path, "authority").server(LOOPBACK)
    files = {
        "BROKER_TLS_CERT_FILE": str(pair.certificate),
        "BROKER_TLS_KEY_FILE": str(pair.key),
    }
    settings = load({**environ, **files})
    cfg = _cfg(BrokerServer(settings, load_inputs(settings)))
    assert cfg.is_ssl
    assert isinstance(cfg.ssl_context(cfg, None), ssl.SSLContext)


@pytest.mark.parametrize(("tls", "served"), [("same", True), ("off", False)])
def test_the_management_port_may_be_plain(
    environ: dict[str, str], tmp_path: Path, tls: str, *, served: bool
) -> None:
    """The callers' is not."""
    pair = Authority(tmp_path, "authority").server(LOOPBACK)
    own = {
        "BROKER_TLS_CERT_FILE": str(pair.certificate),
        "BROKER_TLS_KEY_FILE": str(pair.key),
        "BROKER_MANAGEMENT_BIND": "127.0.0.1:8124,unix:/run/operators.sock",
        "BROKER_MANAGEMENT_TLS": tls,
    }
    settings = load({**environ, **own})
    server = BrokerServer(settings, load_inputs(settings))
    worker = SimpleNamespace(slot=None, management=None)
    _cfg(server).pre_fork(SimpleNamespace(WORKERS={}), worker)
    management: Any = worker.management
    assert management.bind == ["127.0.0.1:8124", "unix:/run/operators.sock"]
    assert (bool(management.is_ssl), bool(_cfg(server).is_ssl)) == (served, True)
    assert management.graceful_timeout == _cfg(server).graceful_timeout


def test_a_management_port_has_limits_of_its_own(environ: dict[str, str]) -> None:
    """Which has its own connections and threads, and nothing of the callers'."""
    settings = load({**environ, "BROKER_MANAGEMENT_BIND": "127.0.0.1:8124"})
    cfg = _cfg(BrokerServer(settings, load_inputs(settings)))
    assert cfg.bind == ["127.0.0.1:8080", "127.0.0.1:8124"]
    own = management_options(settings)
    assert (own["worker_connections"], own["threads"]) == (64, 16)
    assert (cfg.worker_connections, cfg.threads) == (10_000, 256)


def test_no_tls(server: BrokerServer) -> None:
    """Plain HTTP by default."""
    assert not _cfg(server).is_ssl


@pytest.mark.parametrize(
    ("limits", "expected"),
    [((1024, 4096), [(4096, 4096)]), ((1024, -1), [(10195, -1)]), ((-1, -1), [])],
)
def test_the_files_that_connections_need_may_be_opened(
    server: BrokerServer,
    monkeypatch: pytest.MonkeyPatch,
    limits: tuple[int, int],
    expected: list[tuple[int, int]],
) -> None:
    """The soft limit is raised as far as it is needed, before anything is forked."""
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, both: told.append(both))
    monkeypatch.setattr("broker.web.server.Master", lambda *_: SimpleNamespace(run=lambda: None))
    server.run()
    assert told == expected


def test_the_master_counts_its_lost_lines(
    server: BrokerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From before the fork on, in a file that is there by then."""
    told: list[str] = []
    run = SimpleNamespace(run=lambda: told.append("runs"))
    monkeypatch.setattr("broker.web.server.Master", lambda *_: run)
    monkeypatch.setattr("broker.web.server.master_log_losses", lambda: partial(told.append, "lost"))
    server.run()
    standard_output.on_loss()
    standard_output.count_losses(lambda: None)
    assert told == ["runs", "lost"]
