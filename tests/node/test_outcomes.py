from typing import Any

import pytest

from tests.node.outcomes import (
    Failure,
    Outcome,
    none_failed,
    only_in_flight_failed,
    soon_ready,
    told,
)


def failure(at: float, took: float = 0.5, phase: str = "response", kind: str = "x") -> Failure:
    """Return one failed request."""
    return Failure(at, took, "kept", phase, kind)


def outcome(*failures: Failure, requests: int = 2000) -> Outcome:
    """Return what was seen."""
    return Outcome(requests, 0.1, list(failures))


def test_lines_of_the_load_program_are_taken_in() -> None:
    """Progress, a failure, and the summary, which has the last word."""
    seen = Outcome()
    told_of: dict[str, Any] = {"at": 5.0, "took": 0.25, "group": "new", "phase": "connect"}
    seen.read({"progress": 7})
    assert seen.requests == 7
    seen.read({"failure": told_of | {"idle": None, "kind": "ECONNREFUSED"}})
    seen.read({"summary": {"requests": 9, "slowest": 1.5}})
    assert (seen.requests, seen.slowest) == (9, 1.5)
    assert seen.failures[0].ended == 5.25
    assert told(seen.kinds()) == "1 ECONNREFUSED (connect)"


def test_an_answer_names_itself() -> None:
    """Its phase says nothing more."""
    assert failure(0, phase="answer", kind="503 store_unavailable").words == "503 store_unavailable"


def test_one_failure_is_one_too_many() -> None:
    """And too few requests show nothing."""
    assert list(none_failed(outcome())) == []
    assert list(none_failed(outcome(failure(1)))) == ["1 of 2000 requests failed"]
    assert list(none_failed(outcome(requests=1999))) == ["1999 requests are fewer than 2000"]


@pytest.mark.parametrize(
    ("one", "is_excused"),
    [
        (failure(9.8), True),
        (failure(9.8, phase="request"), True),
        (failure(10.1), False),
        (failure(9.0, took=0.5), False),
        (failure(9.8, phase="connect"), False),
        (failure(9.8, phase="answer"), False),
    ],
    ids=["unanswered", "half-sent", "begun-later", "over-before", "refused", "answered"],
)
def test_only_what_was_in_flight_may_fail(one: Failure, is_excused: bool) -> None:
    """It had been sent when the process was killed, and had no answer."""
    assert (list(only_in_flight_failed(outcome(one), killed=10.0)) == []) is is_excused


def test_ready_in_time() -> None:
    """The slowest is told."""
    assert list(soon_ready([1.0, 5.0])) == []
    assert list(soon_ready([1.0, 5.25, 6.5])) == ["ready after 6.5 s, more than 5 s"]


def test_failures_outside_of_an_outage() -> None:
    """By when they began."""
    seen = outcome(failure(1.0), failure(2.0), failure(3.0))
    assert seen.outside(1.5, 2.5) == [seen.failures[0], seen.failures[2]]
