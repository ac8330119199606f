"""The one table from error to answer: every row, and what no row foresaw."""

import logging
from collections.abc import Callable
from typing import NoReturn

import pytest
from werkzeug.exceptions import HTTPException, Unauthorized, UnsupportedMediaType

from broker.errors import (
    AmbiguousError,
    BrokerError,
    CallerError,
    CredentialsRejectedError,
    KeysRejectedError,
    NoStoreError,
    NotSentError,
    StoreUnavailableError,
    TemporarilyUnavailableError,
    UnavailableError,
)
from broker.web.errors import HTTP_TABLE, TABLE
from tests.web.rig import KEY, Rig, error_of

CANARY = "canary-5b1d redis://:pw@10.0.0.1/ /etc/secret-file Traceback"
Prepare = Callable[[Rig], None]


def _raise(rig: Rig, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(*args: object, **kwargs: object) -> NoReturn:
        raise error

    monkeypatch.setattr(rig.broker, "token", fail)


def _nothing(rig: Rig) -> None:
    pass


def _canvas_is_down(rig: Rig) -> None:
    rig.canvas.errors = [NotSentError("connect")] * 2


def _canvas_is_unclear(rig: Rig) -> None:
    rig.canvas.errors = [AmbiguousError("timeout")]


def _refresh_goes_on(rig: Rig) -> None:
    rig.runtime.hold = True


def _keys_are_refused(rig: Rig) -> None:
    rig.canvas.errors = [KeysRejectedError("unauthorized")] * 2


def _redis_is_gone(rig: Rig) -> None:
    rig.redis_answers = False


CASES: list[tuple[str, int, str, str | None, Prepare]] = [
    ("invalid_request", 400, "/token?min_ttl=x", KEY, _nothing),
    ("invalid_token", 401, "/token", None, _nothing),
    ("insufficient_scope", 403, "/token?organization=globex", KEY, _nothing),
    ("not_found", 404, "/nowhere", KEY, _nothing),
    ("temporarily_unavailable", 503, "/token", KEY, _canvas_is_down),
    ("temporarily_unavailable", 503, "/token", KEY, _canvas_is_unclear),
    ("temporarily_unavailable", 503, "/token", KEY, _refresh_goes_on),
    ("credentials_rejected", 503, "/token", KEY, _keys_are_refused),
    ("store_unavailable", 503, "/token", KEY, _redis_is_gone),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}{case[4].__name__}")
def test_each_row_of_the_table_comes_from_what_it_is_for(
    rig: Rig, case: tuple[str, int, str, str | None, Prepare]
) -> None:
    """On the whole way through views and broker."""
    code, status, path, key, prepare = case
    prepare(rig)
    error_of(rig.get(path, key), status, code)


def test_every_code_of_the_contract_is_produced_by_these_tests() -> None:
    """The one that is missing above is 405, below; those of POST have tests of their own."""
    codes = {row.code for row in [*TABLE.values(), *HTTP_TABLE.values()]}
    assert {code for code, *_ in CASES} | {"method_not_allowed"} == codes


@pytest.mark.parametrize("prepare", [_canvas_is_down, _keys_are_refused, _redis_is_gone])
def test_a_valid_token_outlives_each_failure(rig: Rig, prepare: Prepare) -> None:
    """There is an error only once there is no token."""
    rig.get()
    rig.clock.sleep(450)
    prepare(rig)
    rig.broker.tick()
    assert rig.get().get_json()["access_token"] == "access-1"


@pytest.mark.parametrize("path", ["/token", "/health", "/health/live", "/health/ready"])
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "BREW"])
def test_a_method_that_is_not_taken_is_told_with_those_that_are(
    rig: Rig, path: str, method: str
) -> None:
    """No key is asked for: there is nothing to protect."""
    response = rig.client.open(path, method=method)
    error_of(response, 405, "method_not_allowed")
    allowed = response.headers["Allow"].split(", ")
    assert {"GET", "HEAD", "OPTIONS"} <= set(allowed)
    assert allowed == sorted(allowed)
    assert method not in allowed


@pytest.mark.parametrize(
    "path",
    ["/", "/tokens", "/token/", "/token/acme", "/Token", "/static/x", "/health/", "/.env"],
)
def test_there_is_nothing_at_any_other_path(rig: Rig, path: str) -> None:
    """And the path is not repeated."""
    description = error_of(rig.get(path), 404, "not_found")
    assert description == "There is nothing at this path, or of this name."


@pytest.mark.parametrize("path", ["/token//", "/health//live", "//evil.example//token"])
def test_nobody_is_sent_elsewhere(rig: Rig, path: str) -> None:
    """A redirect is no part of the contract, and clients drop the key on the way."""
    response = rig.client.get("/", environ_overrides={"PATH_INFO": path})
    error_of(response, 404, "not_found")


@pytest.mark.parametrize(
    "error", [TemporarilyUnavailableError, CredentialsRejectedError, NoStoreError]
)
@pytest.mark.parametrize(
    ("seconds", "told"),
    [(-1.0, "1"), (0.0, "1"), (0.01, "1"), (1.0, "1"), (1.2, "2"), (60.0, "60")],
)
def test_retry_after_is_whole_seconds_rounded_up_and_at_least_one(
    rig: Rig,
    monkeypatch: pytest.MonkeyPatch,
    error: type[UnavailableError],
    seconds: float,
    told: str,
) -> None:
    """So that nobody asks too early or in a tight loop."""
    _raise(rig, monkeypatch, error("Not now.", retry_after=seconds))
    response = rig.get()
    assert response.status_code == 503
    assert response.headers["Retry-After"] == told


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(CANARY),
        KeyError(CANARY),
        AssertionError(CANARY),
        RecursionError(CANARY),
        UnicodeDecodeError("utf-8", CANARY.encode(), 0, 1, CANARY),
        OSError(5, CANARY, CANARY),
        StoreUnavailableError(CANARY),
        NotSentError(CANARY),
        BrokerError(CANARY),
        CallerError(CANARY),
        UnavailableError(CANARY, retry_after=1),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_nobody_foresaw_is_a_503_that_tells_nothing_of_it(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    """Neither the answer nor the log holds its message; the log tells its class."""
    caplog.set_level(logging.DEBUG)
    _raise(rig, monkeypatch, error)
    response = rig.get()
    description = error_of(response, 503, "temporarily_unavailable")
    assert description == "The broker met an unexpected condition."
    assert "canary" not in response.text + str(response.headers)
    assert "canary" not in caplog.text + repr([vars(record) for record in caplog.records])
    assert [(r.message, vars(r)["error"]) for r in caplog.records] == [
        ("request.crashed", type(error).__name__)
    ]


def test_a_crash_of_one_request_changes_nothing_for_the_next(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker goes on."""
    with monkeypatch.context() as patched:
        _raise(rig, patched, ZeroDivisionError())
        assert rig.get().status_code == 503
    assert rig.get().status_code == 200


def test_health_that_crashes_is_told_by_the_same_table(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No path ever answers 500."""
    monkeypatch.setattr(rig.broker, "health", lambda: 1 / 0)
    monkeypatch.setattr("broker.pod.readiness.Readiness.tell", lambda _: 1 / 0)
    error_of(rig.get("/health"), 503, "temporarily_unavailable")
    error_of(rig.get("/health/ready"), 503, "temporarily_unavailable")
    assert rig.get("/health/live").status_code == 200


@pytest.mark.parametrize("error", [UnsupportedMediaType(CANARY), Unauthorized(CANARY)])
def test_any_other_error_of_http_is_a_malformed_request(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, error: HTTPException
) -> None:
    """In the same form as all others, without the framework's own words."""
    _raise(rig, monkeypatch, error)
    description = error_of(rig.get(), 400, "invalid_request")
    assert description == "The request is malformed."


def test_the_reason_of_an_outage_names_no_place(rig: Rig) -> None:
    """No file, host, URL or word of the upstream's own."""
    for prepare in (_canvas_is_down, _keys_are_refused, _redis_is_gone):
        fresh = Rig("acme")
        prepare(fresh)
        text = fresh.get().text
        for word in ("connect", "unauthorized", "127.0.0.1", "redis", "http", "/", "access-"):
            assert word not in text.lower()
