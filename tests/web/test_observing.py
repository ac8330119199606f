"""What the policy does, as log lines (event, level, what goes with it) and as metrics."""

import logging
from typing import Any
from unittest.mock import Mock, call

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
from broker.metrics.meters import Meters
from broker.observer import (
    CallFailed,
    CallSucceeded,
    Crashed,
    Event,
    FeedDown,
    FeedUp,
    HeldBack,
    LeaseHeld,
    Observer,
    StoreDamaged,
    StoreFailed,
    StoreRecovered,
    TokenCommitted,
    TokenReported,
    Waited,
    WaitRefused,
)
from broker.ports import ReportStatus
from broker.secret import Secret
from broker.store_damage import Damage, Defect, Part
from broker.store_faults import Reason, StoreFault
from broker.tokens import Kind, RefreshToken
from broker.web.observing import AGAIN_AFTER_S, LogObserver, MeteringObserver, Observers
from broker.web.store_log import StoreLog
from tests.fakes import FakeClock
from tests.metrics.pods import Readings, named, seen

OBSERVER: Observer = LogObserver(FakeClock())
TIMEOUT = Reason(StoreFault.TIMEOUT)
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
    OBSERVER.handle(CallSucceeded("acme", Kind.REFRESH, 0.123456))
    extras = {"organization": "acme", "kind": "refresh", "seconds": 0.123}
    assert line(caplog) == ("INFO", "upstream.answered", extras)


def test_a_commit_is_information(caplog: pytest.LogCaptureFixture) -> None:
    """With the new generation."""
    OBSERVER.handle(TokenCommitted("acme", 7))
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
    OBSERVER.handle(CallFailed("acme", kind, error, 1.23456))
    extras = {
        "organization": "acme",
        "kind": kind,
        "failure": error.failure,
        "error": error.kind,
        "seconds": 1.235,
    }
    assert line(caplog) == (level, "upstream.failed", extras)
    assert "canary" not in repr(vars(caplog.records[0]))


def test_that_calls_are_held_back_is_an_error_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """For each organization; it takes a hand: somebody writes to Redis, or a defect."""
    clock = FakeClock()
    observer = LogObserver(clock)
    observer.handle(HeldBack("acme", Kind.REFRESH, 14.98765))
    extras = {"organization": "acme", "kind": "refresh", "seconds": 14.988}
    assert line(caplog) == ("ERROR", "refresher.held_back", extras)
    clock.sleep(59.9)
    observer.handle(HeldBack("acme", Kind.REFRESH, 15.0))
    observer.handle(HeldBack("globex", Kind.REFRESH, 15.0))
    clock.sleep(0.2)
    observer.handle(HeldBack("acme", Kind.REFRESH, 15.0))
    assert [vars(one)["organization"] for one in caplog.records] == ["acme", "globex", "acme"]


@pytest.mark.parametrize(
    ("reason", "level"),
    [(Reason(StoreFault.TIMEOUT), "WARNING"), (Reason(StoreFault.PERMISSION, "hset"), "ERROR")],
)
def test_what_redis_answers_is_logged_with_what_to_do(
    caplog: pytest.LogCaptureFixture, reason: Reason, level: str
) -> None:
    """A warning if it may pass by itself, else an error."""
    StoreLog(FakeClock()).handle(StoreFailed("acme", reason))
    advice = f"{reason.sentence} {reason.remedy()}"
    extras = {"organization": "acme", "reason": str(reason), "advice": advice}
    assert line(caplog) == (level, "store.failed", extras)


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Return each event with the organization it names, and forget them."""
    lines = [(one.getMessage(), vars(one)["organization"]) for one in caplog.records]
    caplog.clear()
    return lines


@pytest.mark.parametrize(
    ("reason", "level"), [(TIMEOUT, "WARNING"), (Reason(StoreFault.CHANNELS), "ERROR")]
)
def test_that_changes_are_not_heard_is_logged_once_a_minute(
    caplog: pytest.LogCaptureFixture, reason: Reason, level: str
) -> None:
    """With what to do; an error where it never passes by itself."""
    clock = FakeClock()
    observer = LogObserver(clock)
    for _ in range(3):
        observer.handle(FeedDown(reason))
        clock.sleep(AGAIN_AFTER_S / 4)
    extras = {"reason": str(reason), "advice": f"{reason.sentence} {reason.remedy()}"}
    assert line(caplog) == (level, "feed.down", extras)
    clock.sleep(AGAIN_AFTER_S)
    observer.handle(FeedDown(reason))
    assert len(caplog.records) == 2


def test_that_changes_are_heard_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """As information, after the start and after each line that said they are not."""
    observer = LogObserver(FakeClock())
    observer.handle(FeedUp())
    assert line(caplog) == ("INFO", "feed.up", {})
    for _ in range(3):
        observer.handle(FeedDown(TIMEOUT))
        observer.handle(FeedUp())
    assert [record.message for record in caplog.records] == ["feed.up", "feed.down", "feed.up"]


def test_damage_is_logged_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    """An error, for it is mended and somebody wrote it; few lines, and every piece is counted."""
    clock, meters = FakeClock(), Meters()
    observer = Observers(StoreLog(clock), MeteringObserver(meters))
    damage = Damage(Part.RECORD, Defect.SEAL)
    observer.handle(StoreDamaged("acme", damage))
    extras = {"organization": "acme", "part": "record", "defect": "seal"}
    assert line(caplog) == ("ERROR", "store.damaged", extras)
    observer.handle(StoreDamaged("globex", damage))
    observer.handle(StoreDamaged("globex", Damage(Part.LEASE, Defect.TTL)))
    clock.sleep(30.1)
    observer.handle(StoreDamaged("acme", damage))
    assert said(caplog)[1:] == [("store.damaged", name) for name in ("globex", "acme")]
    counted = {
        tuple(sample.labels.values()): sample.value
        for family in meters.collect()
        for sample in family.samples
        if sample.name == "broker_store_damage_total"
    }
    assert counted == {("acme", "record"): 2, ("globex", "record"): 1, ("globex", "lease"): 1}


def test_lines_about_redis_are_few(caplog: pytest.LogCaptureFixture) -> None:
    """One for each reason in half a minute, whatever the organizations; a new reason at once."""
    caplog.set_level("INFO")
    clock, other = FakeClock(), Reason(StoreFault.LOADING)
    observer = StoreLog(clock)
    for organization in ("acme", "globex") * 20:
        observer.handle(StoreFailed(organization, TIMEOUT))
        clock.sleep(0.7)
    assert said(caplog) == [("store.failed", "acme")]
    observer.handle(StoreFailed("globex", other))
    clock.sleep(2.0)
    assert said(caplog) == [("store.failed", "globex")]
    observer.handle(StoreFailed("globex", TIMEOUT))
    observer.handle(StoreFailed("acme", other))
    assert said(caplog) == [("store.failed", "globex")]


def test_that_redis_works_again_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """And not at all after what was not logged, as where it comes and goes."""
    caplog.set_level("INFO")
    clock = FakeClock()
    observer = StoreLog(clock)
    observer.handle(StoreRecovered("acme"))
    observer.handle(StoreFailed("acme", TIMEOUT))
    observer.handle(StoreRecovered("acme"))
    observer.handle(StoreRecovered("globex"))
    assert said(caplog) == [("store.failed", "acme"), ("store.recovered", "acme")]
    observer.handle(StoreFailed("acme", TIMEOUT))
    observer.handle(StoreRecovered("acme"))
    assert said(caplog) == []


def test_codes_that_nobody_knows_are_not_kept_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    """A server that makes up new ones fills no memory."""
    log = StoreLog(FakeClock())
    for number in range(1000):
        log.handle(StoreFailed("acme", Reason(StoreFault.UNKNOWN, f"CODE{number}")))
    caplog.clear()
    log.handle(StoreFailed("acme", Reason(StoreFault.UNKNOWN, "CODE0")))
    assert said(caplog) == [("store.failed", "acme")]


def test_a_defect_is_an_error_that_tells_its_class_only(caplog: pytest.LogCaptureFixture) -> None:
    """Its message may hold a secret."""
    OBSERVER.handle(Crashed("*", RuntimeError("canary")))
    extras = {"organization": "*", "error": "RuntimeError"}
    assert line(caplog) == ("ERROR", "refresher.crashed", extras)
    assert "canary" not in repr(vars(caplog.records[0]))


def counted(meters: Meters, sample: str) -> Readings:
    """Return the samples of one name that are not 0."""
    readings = seen(meters, named("acme"), sample)
    return {labels: value for labels, value in readings.items() if value}


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "success"),
        (NotSentError("connect"), "definite"),
        (ThrottledError("throttled", retry_after=3), "definite"),
        (AmbiguousError("timeout"), "ambiguous"),
        (UnusableTokenError("no_expiry", RefreshToken(Secret("canary"), 1)), "ambiguous"),
        (RefreshTokenUnknownError("unknown"), "rejected"),
        (KeysRejectedError("unauthorized"), "rejected"),
    ],
)
def test_an_upstream_call_is_counted_once(error: UpstreamError | None, outcome: str) -> None:
    """By its class, as is its time; a commit of what it gave is no other call."""
    meters = Meters()
    observer: Observer = MeteringObserver(meters)
    if error is None:
        observer.handle(CallSucceeded("acme", Kind.REFRESH, 0.5))
        observer.handle(TokenCommitted("acme", 7))
    else:
        observer.handle(CallFailed("acme", Kind.REFRESH, error, 0.5))
    assert counted(meters, "broker_refreshes_total") == {("refresh", "acme", outcome): 1}
    assert counted(meters, "broker_upstream_seconds_sum") == {("refresh",): 0.5}


def test_a_lease_that_does_not_end_is_a_warning_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """For each organization: its flights meet it each few seconds."""
    clock = FakeClock()
    observer = LogObserver(clock)
    observer.handle(LeaseHeld("acme", 25.98765))
    extras = {"organization": "acme", "seconds": 25.988}
    assert line(caplog) == ("WARNING", "lease.held", extras)
    observer.handle(LeaseHeld("acme", 29.0))
    observer.handle(HeldBack("acme", Kind.REFRESH, 15.0))
    observer.handle(LeaseHeld("globex", 29.0))
    clock.sleep(61)
    observer.handle(LeaseHeld("acme", 90.0))
    said = [(one.getMessage(), vars(one)["organization"]) for one in caplog.records[1:]]
    assert said == [
        ("refresher.held_back", "acme"),
        ("lease.held", "globex"),
        ("lease.held", "acme"),
    ]


def test_a_call_that_is_held_back_is_counted() -> None:
    """Beside the calls that were made, and takes no time."""
    meters = Meters()
    MeteringObserver(meters).handle(HeldBack("acme", Kind.REFRESH, 15.0))
    assert counted(meters, "broker_refreshes_total") == {("refresh", "acme", "held_back"): 1}
    assert counted(meters, "broker_upstream_seconds_count") == {}


@pytest.mark.parametrize("status", list(ReportStatus))
def test_a_report_is_counted_by_what_became_of_it(status: ReportStatus) -> None:
    """Each word has its counter."""
    meters = Meters()
    MeteringObserver(meters).handle(TokenReported("acme", status))
    assert counted(meters, "broker_rejection_reports_total") == {(status,): 1}


def test_waits_are_measured_and_silences_counted() -> None:
    """A defect is not: it shows by what does not happen."""
    meters = Meters()
    observer = MeteringObserver(meters)
    observer.handle(Waited("acme", 1.25))
    observer.handle(WaitRefused("acme"))
    observer.handle(StoreFailed("acme", TIMEOUT))
    observer.handle(StoreRecovered("acme"))
    observer.handle(Crashed("acme", RuntimeError("canary")))
    assert counted(meters, "broker_lease_wait_seconds_sum") == {(): 1.25}
    assert counted(meters, "broker_waiters_refused_total") == {(): 1}
    assert counted(meters, "broker_redis_errors_total") == {("timeout",): 1}


def test_an_observer_that_raises_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """The next one hears the same; the defect is told by its class alone."""
    one, other = Mock(spec=LogObserver), Mock(spec=LogObserver)
    one.handle.side_effect = OSError("canary")
    Observers(one, other).handle(TokenCommitted("acme", 7))
    other.handle.assert_called_once_with(TokenCommitted("acme", 7))
    (record,) = caplog.records
    assert (record.levelname, record.message) == ("ERROR", "observer.crashed")
    assert vars(record)["error"] == "OSError"
    assert "canary" not in repr(vars(record))


def test_several_observers_hear_the_same() -> None:
    """Each of everything, in the order in which it happened."""
    said: list[Event] = [
        CallSucceeded("acme", Kind.REFRESH, 0.5),
        TokenCommitted("acme", 7),
        CallFailed("acme", Kind.REFRESH, NotSentError("connect"), 0.5),
        HeldBack("acme", Kind.REFRESH, 15.0),
        LeaseHeld("acme", 26.0),
        TokenReported("acme", ReportStatus.KNOWN),
        Waited("acme", 1.0),
        WaitRefused("acme"),
        StoreFailed("acme", TIMEOUT),
        StoreRecovered("acme"),
        Crashed("acme", RuntimeError("canary")),
    ]
    one, other = Mock(spec=LogObserver), Mock(spec=LogObserver)
    everybody: Observer = Observers(one, other)
    for event in said:
        everybody.handle(event)
    assert one.handle.mock_calls == [call(event) for event in said]
    assert other.handle.mock_calls == one.handle.mock_calls
