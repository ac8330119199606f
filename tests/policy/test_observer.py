"""Nothing that the observer is told stands between an answer of Canvas and its being served."""

from collections.abc import Callable

import pytest

from broker.errors import AmbiguousError, RefreshTokenUnknownError
from broker.observer import CallFailed, CallSucceeded, Crashed, Event, TokenCommitted
from tests.policy.fleet import ACME, Fleet, Worker, make_stale

UPSTREAM = (CallSucceeded, TokenCommitted, CallFailed)
Told = list[tuple[type[Event], object]]


def listen(worker: Worker, monkeypatch: pytest.MonkeyPatch, look: Callable[[], object]) -> Told:
    """Note each upstream event together with what ``look`` sees when the observer hears of it."""
    told: Told = []

    def note(event: Event) -> None:
        if isinstance(event, UPSTREAM):
            told.append((type(event), look()))

    monkeypatch.setattr(worker.notes, "handle", note)
    return told


def served(worker: Worker) -> int | None:
    """Return the generation that memory alone would serve now."""
    organization = worker.broker.find(ACME)
    assert organization is not None
    found = worker.broker.at_hand(organization, worker.clock.monotonic())
    return found.generation if found else None


def test_a_pair_is_committed_and_served_first(
    fleet: Fleet, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nobody waits for the flight any more."""
    told = listen(
        worker,
        monkeypatch,
        lambda: (served(worker), fleet.shelf().generation, len(worker.broker._flights)),
    )
    generation = worker.ask().generation
    seen = (generation, generation, 0)
    assert told == [(CallSucceeded, seen), (TokenCommitted, seen)]


def test_a_backoff_is_written_first(
    fleet: Fleet, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fleet must know before anybody is told of a failure."""
    fleet.canvas.errors = [AmbiguousError("timeout")]
    told = listen(
        worker,
        monkeypatch,
        lambda: (fleet.shelf().backoff is not None, len(worker.broker._flights)),
    )
    worker.refused()
    assert told == [(CallFailed, (True, 0))]


def test_a_refused_refresh_is_told_after_the_authenticate_that_follows(
    fleet: Fleet, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order of what happened."""
    make_stale(fleet)
    fleet.canvas.errors = [RefreshTokenUnknownError("unknown_refresh_token")]
    told = listen(worker, monkeypatch, lambda: worker.broker.health()[0].generation)
    worker.tick()
    generation = fleet.shelf().generation
    assert told == [(one, generation) for one in (CallFailed, CallSucceeded, TokenCommitted)]


@pytest.mark.parametrize("failing", [CallSucceeded, TokenCommitted])
def test_an_observer_that_raises_changes_nothing(
    fleet: Fleet, worker: Worker, monkeypatch: pytest.MonkeyPatch, failing: type[Event]
) -> None:
    """The token is served, no attempt counts as failed, and the defect is told."""
    note, failing_too = worker.notes.handle, list[type[Event]]()

    def handle(event: Event) -> None:
        if type(event) in {failing, *failing_too}:
            raise RuntimeError
        note(event)

    monkeypatch.setattr(worker.notes, "handle", handle)
    assert worker.token() == "access-1"
    assert worker.health().last_error is None
    assert "acme crashed RuntimeError" in worker.notes.lines
    failing_too.append(Crashed)
    fleet.clock.sleep(420)
    worker.tick()
    assert worker.token() == "access-2"
    fleet.check()
