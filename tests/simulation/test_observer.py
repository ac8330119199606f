"""Invariant 19: an observer that blocks or raises delays no commit and no caller."""

import pytest

from broker.observer import CallFailed, CallSucceeded, Event, TokenCommitted
from broker.tokens import State
from tests.simulation import invariants
from tests.simulation.test_scenarios import calls, states, until_fresh, world
from tests.simulation.world import BrokenTickError, Observed

EVENTS = (CallSucceeded, TokenCommitted, CallFailed)
MINUTE = 60.0
PROMPT = 2.0
"""Seconds; a request that waited for the observer would take the whole limit of 3 s."""


def block(observer: Observed) -> None:
    """Hang for a minute."""
    observer.watch.scheduler.sleep(MINUTE)


def fail(observer: Observed) -> None:
    """Raise what the simulation does not take for a defect."""
    raise BrokenTickError(observer.process)


@pytest.fixture(autouse=True, params=[block, fail])
def _disturbed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    handle = Observed.handle

    def disturbed(observer: Observed, event: Event) -> None:
        if isinstance(event, EVENTS):
            request.param(observer)
        else:
            handle(observer, event)

    monkeypatch.setattr(Observed, "handle", disturbed)


def test_nobody_waits_for_the_observer(monkeypatch: pytest.MonkeyPatch) -> None:
    """From a cold start over two lives, as many calls as ever, and only good answers."""
    monkeypatch.setattr(invariants, "REQUEST_LIMIT", PROMPT)
    with world(workers=2, pause=1.0) as made:
        made.start()
        made.run(PROMPT)
        assert states(made) == {State.FRESH}
        made.run(700)
        assert calls(made) == 2
        assert set(made.watch.answers) == {"200"}


def test_a_failure_is_shared_all_the_same() -> None:
    """The fleet backs off together, and recovers as ever."""
    with world(workers=2) as made:
        made.canvas.draw = lambda _: "internal"
        made.start()
        made.run(MINUTE / 2)
        assert calls(made) < MINUTE / 4
        assert until_fresh(made) < MINUTE
