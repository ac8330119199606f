"""Requests hand over their entries and go on, whatever becomes of the stream."""

import json
import logging
import threading
from typing import Any

import pytest

from broker.audit.entry import AuditEntry
from broker.audit.log import AuditLog
from tests.fakes import START, FakeClock


class Stream:
    """A sink that the test breaks, or lets hang."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.broken = False
        self.flowing = threading.Event()
        self.flowing.set()

    def write(self, lines: bytes) -> None:
        """Take the lines, if it works."""
        assert self.flowing.wait(20)
        if self.broken:
            raise OSError(28, "No space left on device")
        self.taken.append(lines)

    @property
    def told(self) -> list[dict[str, Any]]:
        """Return what arrived, line by line."""
        return [json.loads(line) for line in b"".join(self.taken).splitlines()]


@pytest.fixture
def stream() -> Stream:
    """Return one that works."""
    return Stream()


@pytest.fixture
def audit(stream: Stream, caplog: pytest.LogCaptureFixture) -> AuditLog:
    """Return one that is not started, with room for five entries; its log is heard."""
    caplog.set_level(logging.DEBUG, "broker.audit.log")
    return AuditLog(stream, FakeClock(), capacity=5)


def entry(number: int) -> AuditEntry:
    """Return an entry with a number."""
    return AuditEntry(f"id-{number}", "10.0.0.9")


def numbers(stream: Stream) -> list[str]:
    """Return which entries arrived."""
    return [told["request_id"] for told in stream.told if told["event"] != "audit.lost"]


def test_entries_arrive_in_order_with_their_time(audit: AuditLog, stream: Stream) -> None:
    """One line each."""
    for number in range(3):
        audit.write(entry(number))
    assert audit.drain()
    assert numbers(stream) == ["id-0", "id-1", "id-2"]
    assert stream.told[0]["time"].startswith("2027-")
    assert START > 0


def test_nothing_is_written_while_a_request_waits(audit: AuditLog, stream: Stream) -> None:
    """Handing over does no I/O."""
    audit.write(entry(1))
    assert stream.taken == []


def test_a_failing_stream_loses_nothing_that_it_has_room_for(
    audit: AuditLog, stream: Stream, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told once, and once when it works again."""
    stream.broken = True
    for number in range(3):
        audit.write(entry(number))
    assert not audit.drain()
    assert not audit.drain()
    audit.write(entry(3))
    stream.broken = False
    assert audit.drain()
    assert numbers(stream) == ["id-0", "id-1", "id-2", "id-3"]
    assert [(one.levelname, one.message) for one in caplog.records] == [
        ("ERROR", "audit.failed"),
        ("INFO", "audit.recovered"),
    ]


def test_what_there_is_no_room_for_is_counted(audit: AuditLog, stream: Stream) -> None:
    """And told in the audit itself."""
    for number in range(12):
        audit.write(entry(number))
    assert audit.drain()
    assert numbers(stream) == [f"id-{number}" for number in range(5)]
    assert stream.told[-1]["event"] == "audit.lost"
    assert stream.told[-1]["count"] == 7
    audit.write(entry(99))
    assert audit.drain()
    assert numbers(stream)[-1] == "id-99"
    assert sum(told["event"] == "audit.lost" for told in stream.told) == 1


def test_what_is_lost_is_told_at_once(stream: Stream) -> None:
    """For the metrics: the stream may never take a line again."""
    losses: list[int] = []
    audit = AuditLog(stream, FakeClock(), 5, losses.append)
    for number in range(12):
        audit.write(entry(number))
    assert sum(losses) == 7


def test_lines_are_joined_to_pieces_that_a_pipe_takes_whole(
    stream: Stream,
) -> None:
    """So that workers do not mix theirs."""
    audit = AuditLog(stream, FakeClock())
    for number in range(1000):
        audit.write(entry(number))
    assert audit.drain()
    assert len(numbers(stream)) == 1000
    assert 10 < len(stream.taken) < 100
    assert all(len(piece) <= 4096 and piece.endswith(b"\n") for piece in stream.taken)


def test_without_a_sink_nothing_is_kept() -> None:
    """The audit is switched off."""
    audit = AuditLog(None, FakeClock())
    audit.start()
    audit.write(entry(1))
    assert audit.stop(0.0)


def test_a_thread_writes(audit: AuditLog, stream: Stream) -> None:
    """All of it by the time it is stopped."""
    audit.start()
    for number in range(5):
        audit.write(entry(number))
    assert audit.stop(10)
    assert len(numbers(stream)) == 5


def test_stopping_a_moment_after_the_start_writes_all(stream: Stream) -> None:
    """Also what came before the thread first looked."""
    for _ in range(50):
        audit = AuditLog(stream, FakeClock())
        audit.write(entry(1))
        audit.start()
        assert audit.stop(10)
    assert len(stream.told) == 50


def test_a_stream_that_hangs_stops_nobody(audit: AuditLog, stream: Stream) -> None:
    """Requests go on, memory is bounded, and the stop is, too."""
    stream.flowing.clear()
    audit.start()
    for number in range(10_000):
        audit.write(entry(number))
    assert not audit.stop(0.2)
    assert len(audit._waiting) <= 5
    stream.flowing.set()


def test_a_defect_does_not_end_the_thread(
    audit: AuditLog, stream: Stream, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told, and the next entry is written."""
    bad: Any = AuditEntry("id-bad", "10.0.0.9", generation=object())  # type: ignore[arg-type] # the defect
    audit.write(bad)
    audit.start()
    audit.write(entry(1))
    assert audit.stop(10)
    audit.write(entry(2))
    assert audit.drain()
    assert "id-2" in numbers(stream)
    assert [one.message for one in caplog.records] == ["audit.crashed"]
