"""What the policy does, as log lines: the event, its level and what goes with it."""

import logging
from typing import Any

import pytest

from broker.errors import (
    AmbiguousError,
    KeysRejectedError,
    NotSentError,
    RefreshTokenUnknownError,
    ThrottledError,
    UnusableTokenError,
    UpstreamError,
)
from broker.ports import Observer
from broker.secret import Secret
from broker.tokens import Kind, RefreshToken
from broker.web.observing import LogObserver

OBSERVER: Observer = LogObserver()
PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


@pytest.fixture(autouse=True)
def _heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="broker.events")


def line(caplog: pytest.LogCaptureFixture) -> tuple[str, str, dict[str, Any]]:
    """Return the one line: level, event and extras."""
    (record,) = caplog.records
    extras = {name: value for name, value in vars(record).items() if name not in PLAIN}
    assert record.name == "broker.events"
    assert record.exc_info is None
    return record.levelname, record.message, extras


def test_an_answer_of_canvas_is_information(caplog: pytest.LogCaptureFixture) -> None:
    """With its duration in milliseconds' precision."""
    OBSERVER.redeemed("acme", Kind.REFRESH, 0.123456)
    extras = {"organization": "acme", "kind": "refresh", "seconds": 0.123}
    assert line(caplog) == ("INFO", "upstream.answered", extras)


def test_a_commit_is_information(caplog: pytest.LogCaptureFixture) -> None:
    """With the new generation."""
    OBSERVER.committed("acme", 7)
    extras = {"organization": "acme", "generation": 7}
    assert line(caplog) == ("INFO", "token.refreshed", extras)


@pytest.mark.parametrize(
    ("kind", "error", "level"),
    [
        (Kind.AUTHENTICATE, NotSentError("connect"), "WARNING"),
        (Kind.AUTHENTICATE, ThrottledError("throttled", retry_after=3), "WARNING"),
        (Kind.REFRESH, AmbiguousError("timeout"), "WARNING"),
        (
            Kind.REFRESH,
            UnusableTokenError("no_expiry", RefreshToken(Secret("canary"), 1)),
            "WARNING",
        ),
        (Kind.REFRESH, RefreshTokenUnknownError("unknown"), "WARNING"),
        (Kind.REFRESH, KeysRejectedError("unauthorized"), "WARNING"),
        (Kind.AUTHENTICATE, KeysRejectedError("unauthorized"), "ERROR"),
    ],
)
def test_a_failed_call_is_a_warning_unless_the_keys_are_refused(
    caplog: pytest.LogCaptureFixture, kind: Kind, error: UpstreamError, level: str
) -> None:
    """Only that needs a hand; the class and the kind of the failure are told."""
    OBSERVER.failed("acme", kind, error, 1.23456)
    extras = {
        "organization": "acme",
        "kind": kind,
        "failure": error.failure,
        "error": error.kind,
        "seconds": 1.235,
    }
    assert line(caplog) == (level, "upstream.failed", extras)
    assert "canary" not in repr(vars(caplog.records[0]))


def test_a_silent_redis_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """It passes by itself."""
    OBSERVER.store_failed("acme")
    assert line(caplog) == ("WARNING", "store.failed", {"organization": "acme"})


def test_a_defect_is_an_error_that_tells_its_class_only(caplog: pytest.LogCaptureFixture) -> None:
    """Its message may hold a secret."""
    OBSERVER.crashed("*", RuntimeError("canary"))
    extras = {"organization": "*", "error": "RuntimeError"}
    assert line(caplog) == ("ERROR", "refresher.crashed", extras)
    assert "canary" not in repr(vars(caplog.records[0]))
