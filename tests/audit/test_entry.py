"""One line of JSON for each request for a token."""

import json

from broker.audit.entry import AuditEntry, timestamp

MOMENT = 1_795_422_000.1234


def test_a_token_served() -> None:
    """All fields, the time in UTC, one line."""
    entry = AuditEntry("id-1", "10.0.0.9", "billing", "acme", 7, "fresh")
    line = entry.line(timestamp(MOMENT))
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    assert json.loads(line) == {
        "log": "audit",
        "time": timestamp(MOMENT),
        "event": "token.served",
        "request_id": "id-1",
        "caller": "billing",
        "organization": "acme",
        "generation": 7,
        "outcome": "served",
        "remote": "10.0.0.9",
        "state": "fresh",
    }


def test_a_token_refused() -> None:
    """What is not known is null."""
    told = json.loads(AuditEntry("id-1", "unix", outcome="invalid_token").line(timestamp(MOMENT)))
    assert told["event"] == "token.refused"
    assert [told[name] for name in ("caller", "organization", "generation", "state")] == [None] * 4


def test_the_time_is_to_the_millisecond() -> None:
    """In the form of RFC 3339."""
    assert timestamp(0.0) == "1970-01-01T00:00:00.000Z"
    assert timestamp(1.2345) == "1970-01-01T00:00:01.234Z"


def test_nothing_breaks_the_line() -> None:
    """Whatever a field holds."""
    line = AuditEntry('a"\n\u2028{}', "\x00\ud800").line(timestamp(MOMENT))
    assert line.count(b"\n") == 1
    assert json.loads(line)["request_id"] == 'a"\n\u2028{}'
