import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from bench.engine import Order
from bench.load import Outcome
from bench.report import WrongAnswer
from bench.rounds import MET, Candidate, meet, run_once, run_rounds


class OneServer:
    """This process, as if it were a server."""

    port = 1

    def workers(self) -> list[int]:
        """Return this process."""
        return [os.getpid()]


class FakeLoad:
    """Gives one outcome each time, and notes what it was told to send."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.sent: list[bytes] = []

    def run(self, order: Order) -> Outcome:
        """Note the requests."""
        self.sent += order.requests
        return self.outcome


GOOD = Outcome(100.0, 0.001, 0.002, 0.003, 100)


def nothing_wrong() -> None:
    """Find every answer right."""


def test_candidates_take_turns() -> None:
    """A B A B, so that a slow moment of the machine hits both."""
    load = FakeLoad(GOOD)
    candidates = [Candidate(name, OneServer(), [name.encode()], nothing_wrong) for name in "AB"]
    found = run_rounds(candidates, load, 3, 32, 1.0)
    assert load.sent == [b"A", b"B"] * 3
    assert [(one.name, one.rates) for one in found] == [("A", [100.0] * 3), ("B", [100.0] * 3)]
    assert found[0].row()[0:2] == ["A", "100"]
    assert found[0].row()[3:] == ["1.0", "2.0", "3"]


def test_every_request_is_met_however_few_are_answered_in_a_run() -> None:
    """Each run begins where the last one ended."""

    class Slow(FakeLoad):
        def run(self, order: Order) -> Outcome:
            self.sent += order.requests[:2]
            return replace(self.outcome, completed=2)

    load, requests = Slow(GOOD), [b"%d" % number for number in range(5)]
    meet([Candidate("A", OneServer(), requests, nothing_wrong)], load, 1)
    assert load.sent == requests * MET


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (Outcome(100.0, 0.0, 0.0, 0.0, 100, {"503": 1}), "503"),
        (Outcome(0.0, 0.0, 0.0, 0.0, 0), "nothing was answered"),
    ],
)
def test_anything_but_answers_is_wrong(outcome: Outcome, said: str) -> None:
    """A server that refuses is fast."""
    with pytest.raises(WrongAnswer, match=said):
        run_once(Candidate("A", OneServer(), [b"A"], nothing_wrong), FakeLoad(outcome), 1, 1.0)


def test_answers_are_read_before_each_run() -> None:
    """Nothing is sent to one that answers wrong."""

    def wrong() -> None:
        raise WrongAnswer("not a living token")

    load = FakeLoad(GOOD)
    with pytest.raises(WrongAnswer, match="not a living token"):
        run_once(Candidate("A", OneServer(), [b"A"], wrong), load, 1, 1.0)
    assert load.sent == []


def test_what_goes_on_beside_a_run_frames_it() -> None:
    """It begins before the first request and ends after the last."""
    told: list[str] = []

    @contextmanager
    def beside() -> Iterator[None]:
        told.append("begins")
        yield
        told.append("ends")

    run_once(Candidate("A", OneServer(), [b"A"], nothing_wrong, beside), FakeLoad(GOOD), 1, 1.0)
    assert told == ["begins", "ends"]
