"""The application factory joins the real parts; nothing is sent before its service starts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from gunicorn.asgi.parser import LimitRequestLine
from werkzeug.test import TestResponse

from broker.observer import StoreFailed, TokenCommitted
from broker.policy.broker import Broker
from broker.policy.lease import Tools
from broker.ports import RecordStores
from broker.settings import Inputs, load, load_inputs
from broker.store.bounded import BoundedClient
from broker.store.connect import connect
from broker.store_faults import Reason, StoreFault
from broker.threads import FLIGHTS, SWEEPS
from broker.web import app as app_module
from broker.web.answer import STANDING
from broker.web.app import SERVICE, create_app
from broker.web.endpoints import PORTS
from broker.web.logs import standard_output
from broker.web.malformed import MALFORMED
from broker.web.service import Service
from tests.web.conftest import write_callers
from tests.web.rig import KEY, OTHER_KEY, error_of


def _make(environ: dict[str, str]) -> tuple[Flask, Inputs]:
    settings = load(environ)
    inputs = load_inputs(settings)
    return create_app(settings, inputs), inputs


def _get(app: Flask, path: str, key: str = KEY) -> TestResponse:
    return app.test_client().get(path, headers={"Authorization": f"Bearer {key}"})


def test_before_its_service_starts_a_worker_lives_and_is_not_ready(
    environ: dict[str, str],
) -> None:
    """No organization is loaded yet."""
    app, _ = _make(environ)
    assert isinstance(app.extensions[SERVICE], Service)
    assert _get(app, "/health/live").status_code == 200
    assert _get(app, "/health/ready").status_code == 503
    error_of(_get(app, "/token"), 403, "insufficient_scope")


def test_a_worker_counts_its_lost_lines(environ: dict[str, str]) -> None:
    """Whatever logging there was before."""
    app, _ = _make(environ)
    before = _lost(app)
    standard_output.on_loss()
    assert _lost(app) == before + 1
    standard_output.count_losses(lambda: None)


def test_a_worker_logs_and_counts_what_happens(
    environ: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """To Redis, too."""
    caplog.set_level("INFO", "broker.events")
    app, _ = _make(environ)
    observer = app.extensions[SERVICE]._parts.refresher._observer
    observer.handle(TokenCommitted("acme", 7))
    observer.handle(StoreFailed("acme", Reason(StoreFault.TIMEOUT)))
    assert [one.message for one in caplog.records] == ["token.refreshed", "store.failed"]
    assert 'broker_redis_errors_total{reason="timeout"} 1.0' in _get(app, "/metrics").text


@pytest.mark.parametrize("told", ["true", "false"])
def test_organizations_are_told_of_one_by_one_or_not(environ: dict[str, str], told: str) -> None:
    """As the setting says."""
    app, _ = _make({**environ, "BROKER_METRICS_ORGANIZATIONS": told})
    app.extensions[SERVICE].reload()
    one_by_one = 'broker_organization_state{organization="acme"' in _get(app, "/metrics").text
    assert one_by_one is (told == "true")
    assert ('state="empty"' in _get(app, "/metrics").text) is (told == "true")


def _lost(app: Flask) -> float:
    lines = _get(app, "/metrics").text.splitlines()
    (number,) = [one.split()[1] for one in lines if one.startswith("broker_log_lost_total ")]
    return float(number)


def test_the_callers_in_force_are_asked_for_at_each_request(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """A reload needs no new application."""
    app, inputs = _make(environ)
    assert inputs.callers is not None
    error_of(_get(app, "/token", OTHER_KEY), 401, "invalid_token")
    write_callers(tmp_path / "callers.toml", OTHER_KEY)
    inputs.callers.poll()
    assert _get(app, "/token", OTHER_KEY).status_code == 403
    error_of(_get(app, "/token"), 401, "invalid_token")


@pytest.mark.parametrize("seconds", [0, 31536000])
def test_hsts_is_told_by_every_answer(environ: dict[str, str], seconds: int) -> None:
    """By the views, before them, and of what the server could not read."""
    settings = replace(load(environ), hsts_max_age=seconds)
    app = create_app(settings, load_inputs(settings))
    paths = ("/token", "/health/live", "/status", "/nowhere")
    told = [list(_get(app, path).headers.items()) for path in paths]
    answer = app.extensions[MALFORMED].refuse(LimitRequestLine(), "")
    lines = answer.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    told.append([(name, value) for name, _, value in (line.partition(": ") for line in lines)])
    expected = [f"max-age={seconds}"] if seconds else []
    for headers in told:
        assert headers.count(("X-Content-Type-Options", "nosniff")) == 1
        assert [v for n, v in headers if n == "Strict-Transport-Security"] == expected


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "DELETE"])
def test_nobody_keeps_an_answer(environ: dict[str, str], method: str) -> None:
    """Nor guesses what it is: on each path there is, and on one there is not."""
    app, _ = _make(environ)
    for path in (*PORTS, "/nowhere", "//token"):
        headers = app.test_client().open(path, method=method).headers
        for name, value in STANDING:
            assert headers.getlist(name) == [value], path


def test_without_a_callers_file_nobody_is_asked(environ: dict[str, str]) -> None:
    """The settings allow it on loopback only."""
    del environ["BROKER_CALLERS_FILE"]
    app, _ = _make({**environ, "BROKER_CALLER_AUTH": "none"})
    assert app.test_client().get("/token").status_code == 403


def test_there_are_these_paths_and_no_more(environ: dict[str, str]) -> None:
    """Whoever adds one adds its tests."""
    app, _ = _make(environ)
    paths = {rule.rule for rule in app.url_map.iter_rules()}
    metadata = "/.well-known/oauth-authorization-server"
    probes = {"/health", "/health/live", "/health/ready"}
    people = {"/metrics", "/status", "/openapi.json"}
    assert paths == {"/token", metadata, *people, *probes}


def test_the_broker_has_the_settings(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half the threads may wait, and idle organizations are kept warm as long as set."""
    made: list[tuple[Tools, dict[str, float]]] = []

    def note(tools: Tools, stores: RecordStores, **given: float) -> Broker:
        made.append((tools, given))
        return Broker(tools, stores, keep_warm=1, waiters=1)

    monkeypatch.setattr(app_module, "Broker", note)
    _make({**environ, "BROKER_THREADS": "5", "BROKER_KEEP_WARM": "77", "BROKER_WAIT": "2"})
    ((tools, given),) = made
    assert given == {"keep_warm": 77, "waiters": 2}
    assert tools.limits.wait == 2


def test_a_connection_to_redis_for_each_thread_that_may_want_one(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests, refreshes, the sweep, the feed and the stop: none is ever refused one."""
    counted: list[int] = []

    def connected(*arguments: Any, users: int, **options: Any) -> BoundedClient:
        counted.append(users)
        return connect(*arguments, users=users, **options)

    monkeypatch.setattr(app_module, "connect", connected)
    _make({**environ, "BROKER_THREADS": "300"})
    assert counted == [300 + FLIGHTS + SWEEPS + 2]
