"""The schema of the knobs is closed and says what is allowed."""

from typing import Any

import pytest

from broker.emulator.canvas import Sessions
from broker.emulator.faults import Body, Calls, Fault
from broker.emulator.knobs import Change, KnobError, Knobs, read_knobs


def test_a_fault_is_read() -> None:
    """By default it hits the next call of both kinds."""
    assert read_knobs({"status": 503, "retry_after": 7}) == Change(
        {}, Fault(status=503, retry_after=7), 1
    )


def test_a_standing_knob_is_no_fault() -> None:
    """It only changes how Canvas behaves."""
    change = read_knobs({"sessions": "single", "grace": 5})
    assert change == Change({"sessions": Sessions.SINGLE, "grace": 5.0}, None, 1)


def test_both_may_come_together() -> None:
    """Each goes where it belongs."""
    change = read_knobs({"clock_shift": -600, "body": "half", "calls": "refresh", "times": None})
    assert change.standing == {"clock_shift": -600.0}
    assert change.fault == Fault(body=Body.HALF, calls=Calls.REFRESH)
    assert change.times is None


def test_an_unknown_name_is_refused_and_all_names_are_told() -> None:
    """So that a typing mistake does not look like a fault that never happens."""
    with pytest.raises(KnobError) as caught:
        read_knobs({"latencey": 1})
    assert "latencey: no such knob" in str(caught.value)
    assert all(name in str(caught.value) for name in Knobs().fields)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("latency", -1, "a number from 0 to 60"),
        ("latency", 61, "a number from 0 to 60"),
        ("latency", float("nan"), "a number from 0 to 60"),
        ("latency", None, "a number from 0 to 60"),
        ("hold", "during", "one of before, after"),
        ("drop", True, "one of request, answer"),
        ("status", 418, "one of 401, 404, 429, 500, 502, 503, 504"),
        ("times", 0, "a whole number from 1 to 1000000, or null"),
        ("times", 1.5, "a whole number from 1 to 1000000, or null"),
        ("body", ["html"], "one of html, empty, truncated, half, oversize, wrong_types, no_access"),
        ("expiry", "soon", "one of missing, null, no_offset, past"),
        ("drip", 0, "a number from 0.001 to 60"),
        ("sessions", "few", "one of single, many"),
        ("reuse_revokes_family", "perhaps", "true or false"),
        ("access_lifetime_refresh", 0, "a number from 0.1 to"),
        ("organization", 7, "the name of an organization"),
    ],
)
def test_a_bad_value_is_refused_and_the_allowed_ones_are_told(
    name: str, value: object, allowed: str
) -> None:
    """The sentence names the knob."""
    with pytest.raises(KnobError) as caught:
        read_knobs({name: value})
    assert f"{name} must be {allowed}" in str(caught.value)


def test_all_mistakes_are_told_at_once() -> None:
    """Unknown names come last, with the list of all."""
    with pytest.raises(KnobError) as caught:
        read_knobs({"latency": -1, "status": 1, "nonsense": 1, "folly": 1})
    first, second, third, _ = str(caught.value).split("; ")
    assert first.startswith("latency must be")
    assert second.startswith("status must be")
    assert third == "folly, nonsense: no such knob"


@pytest.mark.parametrize(
    ("knobs", "reason"),
    [
        ({}, "nothing to turn"),
        ({"times": 3}, "no fault is given"),
        ({"grace": 1, "calls": "refresh"}, "no fault is given"),
        ({"drop": "answer", "status": 500}, "drop leaves no answer"),
        ({"drop": "request", "work": True}, "drop leaves no answer"),
        ({"drop": "answer", "encoding": "gzip", "headers": 7}, "so encoding, headers cannot"),
        ({"status": 500, "expiry": "past"}, "expiry changes the good answer"),
        ({"status": 500, "prefix": False}, "prefix changes the good answer"),
        ({"body": "truncated", "encoding": "gzip"}, "cannot be truncated"),
        ({"body": "half", "expiry": "past"}, "give one of them"),
        ({"status": 500, "body": "oversize"}, "body is html or empty"),
        ({"retry_after": 1}, "retry_after needs a status"),
        ({"status": 503, "retry_after_as": "date"}, "retry_after_as needs retry_after"),
        ({"work": False}, "work needs a status"),
        ({"body": "half", "work": False}, "work needs a status"),
    ],
)
def test_contradictions_are_refused(knobs: dict[str, Any], reason: str) -> None:
    """Rather than one of the knobs doing nothing."""
    with pytest.raises(KnobError, match=reason):
        read_knobs(knobs)


@pytest.mark.parametrize("sent", [[], "latency", None, 3])
def test_only_an_object_is_read(sent: object) -> None:
    """Anything else is refused in the same way."""
    with pytest.raises(KnobError, match="must be a JSON object"):
        read_knobs(sent)


@pytest.mark.parametrize(
    "knobs",
    [
        {"status": 500, "body": "html", "work": True},
        {"body": "html", "work": False},
        {"latency": 1, "hold": "before", "drop": "answer"},
        {"status": 429, "retry_after": 5, "retry_after_as": "date", "drip": 0.1},
        {"expiry": "missing", "latency": 0.5, "calls": "authenticate"},
        {"refresh_token": "null", "refresh_expiry": "missing", "prefix": False, "expiry": "null"},
        {"status": 500, "interim": 103, "headers": 200},
        {"body": "oversize", "encoding": "gzip"},
    ],
)
def test_knobs_that_fit_go_together(knobs: dict[str, Any]) -> None:
    """A fault may be slow, held and bad at once."""
    assert read_knobs(knobs).fault is not None
