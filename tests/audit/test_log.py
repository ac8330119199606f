"""Requests hand over their entries and go on, whatever becomes of the sink."""

import json
import logging
from typing import Any

import pytest

from broker.audit.entry import AuditEntry
from broker.audit.log import AuditLog
from tests.fakes import FakeClock
from tests.output.stream import Stream

LIMIT = 60.0


@pytest.fixture
def stream() -> Stream:
    """Return one that works."""
    return Stream()


@pytest.fixture
def audit(stream: Stream, caplog: pytest.LogCaptureFixture) -> AuditLog:
    """Return one with room for five entries; its log is heard."""
    caplog.set_level(logging.DEBUG, "broker.audit.log")
    return AuditLog(stream, FakeClock(), capacity=5)


def entry(number: int) -> AuditEntry:
    """Return an entry with a number."""
    return AuditEntry(f"id-{number}", "10.0.0.9")


def told(stream: Stream) -> list[dict[str, Any]]:
    """Return what arrived."""
    return [json.loads(line) for line in stream.lines]


def test_entries_arrive_in_order_with_their_time(audit: AuditLog, stream: Stream) -> None:
    """One line each."""
    for number in range(3):
        audit.write(entry(number))
    assert audit.flush(LIMIT)
    assert [line["request_id"] for line in told(stream)] == ["id-0", "id-1", "id-2"]
    assert told(stream)[0]["time"].startswith("2027-")


def test_what_there_is_no_room_for_is_counted(stream: Stream) -> None:
    """At once for the metrics, later in the audit itself; nobody waits meanwhile."""
    losses: list[None] = []
    audit = AuditLog(stream, FakeClock(), 5, lambda: losses.append(None))
    stream.stall()
    audit.write(entry(0))
    assert stream.entered.wait(LIMIT)
    for number in range(1, 100):
        audit.write(entry(number))
    stream.flowing.set()
    while not audit.flush(LIMIT):
        pass
    arrived = [line for line in told(stream) if line["event"] != "audit.lost"]
    assert len(arrived) + len(losses) == 100
    assert told(stream)[-1]["event"] == "audit.lost"
    assert told(stream)[-1]["count"] == len(losses) > 90
    assert told(stream)[-1]["log"] == "audit"


def test_a_sink_that_fails_is_reported_once(
    audit: AuditLog, stream: Stream, caplog: pytest.LogCaptureFixture
) -> None:
    """And once when it works again."""
    stream.broken = True
    audit.write(entry(1))
    assert stream.refused.wait(LIMIT)
    while audit.flush(LIMIT):
        pass
    stream.broken = False
    while not audit.flush(LIMIT):
        pass
    assert [line["request_id"] for line in told(stream)] == ["id-1"]
    assert [(one.levelname, one.message, vars(one).get("reason")) for one in caplog.records] == [
        ("ERROR", "audit.failed", "No space left on device"),
        ("INFO", "audit.recovered", None),
    ]


def test_without_a_sink_nothing_is_kept() -> None:
    """The audit is switched off."""
    audit = AuditLog(None, FakeClock())
    audit.write(entry(1))
    assert audit.flush(0.0)


def test_a_defect_costs_one_line(
    audit: AuditLog, stream: Stream, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told, and the next entry is written."""
    bad: Any = AuditEntry("id-bad", "10.0.0.9", generation=object())  # type: ignore[arg-type] # the defect
    audit.write(bad)
    audit.write(entry(1))
    assert audit.flush(LIMIT)
    audit.write(entry(2))
    assert audit.flush(LIMIT)
    assert [line["request_id"] for line in told(stream)] == ["id-1", "id-2"]
    assert [one.message for one in caplog.records] == ["audit.crashed"]
