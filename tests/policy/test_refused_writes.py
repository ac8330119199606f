"""A Redis that answers and refuses writes: known before a refresh is due, and told."""

import pytest

from broker.errors import NoStoreError, TemporarilyUnavailableError
from broker.policy.write_checks import FIRST_S, INTERVAL_S
from broker.store_faults import Reason, StoreFault
from broker.tokens import State
from tests.policy.fleet import KEYS, Fleet, Worker

FULL = Reason(StoreFault.OUT_OF_MEMORY)
LATEST = 60.0
"""Seconds within which a refused write is to be known."""


def test_it_is_known_long_before_a_refresh_is_due(fleet: Fleet, worker: Worker) -> None:
    """The token is fresh, and looks go on well."""
    worker.ask()
    worker.link.refuses = FULL
    fleet.run(LATEST, asking=True)
    assert worker.ask().state is State.FRESH
    assert worker.health().store_fault == "out_of_memory"
    assert "acme store failed out_of_memory" in worker.notes.lines
    assert worker.link.counts["acquire"] == 1


def test_it_is_over_as_soon_as_a_write_is_taken(fleet: Fleet, worker: Worker) -> None:
    """A look that goes well in between proves nothing; that it is over is told once."""
    fleet.run(1, asking=True)
    worker.link.refuses = FULL
    fleet.run(INTERVAL_S + 2, asking=True)
    assert not worker.health().store_answers
    worker.link.refuses = None
    fleet.run(2, asking=True)
    assert not worker.health().store_answers
    fleet.run(INTERVAL_S, asking=True)
    assert worker.health().store_answers
    assert worker.notes.lines.count("acme store recovered") == 1


def test_a_refresh_that_goes_well_ends_it_too(fleet: Fleet, worker: Worker) -> None:
    """Whichever write comes first."""
    fleet.workers.remove(fleet.workers[1])
    worker.link.refuses = FULL
    assert isinstance(worker.refused(), NoStoreError)
    worker.link.refuses = None
    fleet.run(1)
    worker.ask()
    assert worker.health().store_answers
    assert "acme store recovered" in worker.notes.lines


def test_nobody_is_tried_for_whom_nobody_asks(fleet: Fleet, worker: Worker) -> None:
    """An idle process leaves Redis alone."""
    worker.ask()
    fleet.clock.sleep(8 * 86_400)
    fleet.run(1)
    before = worker.link.write_checks
    fleet.run(3 * INTERVAL_S)
    assert worker.link.write_checks == before


def test_a_try_costs_little(fleet: Fleet, worker: Worker) -> None:
    """One in half a minute, however many requests and looks there are."""
    fleet.run(4 * INTERVAL_S, asking=True)
    assert worker.link.write_checks == pytest.approx(4, abs=1)


def test_it_is_tried_each_second_until_it_has_gone_well(fleet: Fleet, worker: Worker) -> None:
    """A pod is not ready before."""
    worker.link.down = True
    fleet.run(5)
    assert worker.link.write_checks == pytest.approx(5, abs=1)
    assert not worker.broker.ability().written
    worker.link.down = False
    fleet.run(FIRST_S)
    assert worker.broker.ability().written
    tries = worker.link.write_checks
    fleet.run(INTERVAL_S - 1, asking=True)
    assert worker.link.write_checks == tries


def test_until_then_it_is_tried_for_whom_nobody_asks_as_well(fleet: Fleet, worker: Worker) -> None:
    """Redis may be away for longer than a token is kept warm."""
    worker.link.down = True
    fleet.run(1)
    fleet.clock.sleep(8 * 86_400)
    worker.link.down = False
    fleet.run(1)
    assert worker.broker.ability().written


def test_one_try_at_a_time(fleet: Fleet, worker: Worker) -> None:
    """Where Redis hangs, more of them would only hold threads."""
    fleet.configure({})
    fleet.configure({"globex": KEYS})
    worker.link.down = worker.runtime.hold = True
    fleet.run(10)
    tries = [work for work in worker.runtime.held if "WriteChecks" in repr(work)]
    assert len(tries) == 1
    worker.link.down = worker.runtime.hold = False
    worker.runtime.release()
    assert worker.broker.ability().written


def test_what_is_no_refusal_is_left_to_the_looks(fleet: Fleet, worker: Worker) -> None:
    """A try that is not answered tells nothing of writes."""
    worker.ask()
    worker.link.refuses = Reason(StoreFault.TIMEOUT)
    fleet.run(INTERVAL_S + 2, asking=True)
    assert worker.health().store_answers


def test_a_refused_report_is_told_and_counted(fleet: Fleet, worker: Worker) -> None:
    """It is no success, and the caller is told to ask again."""
    generation = worker.ask().generation
    fleet.clock.sleep(11)
    worker.link.refuses = FULL
    error = worker.refused(rejected=generation)
    assert isinstance(error, TemporarilyUnavailableError)
    assert "acme reported failed" in worker.notes.lines
    assert "acme store failed out_of_memory" in worker.notes.lines
    assert worker.health().store_fault == "out_of_memory"
    fleet.run(2, asking=True)  # looks that go well in between prove nothing
    assert worker.health().store_fault == "out_of_memory"
