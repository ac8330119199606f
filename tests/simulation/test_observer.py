"""Invariant 19: an observer that blocks or raises delays no commit and no caller."""

from collections.abc import Callable

import pytest

from broker.tokens import State
from tests.simulation import invariants
from tests.simulation.test_scenarios import calls, states, until_fresh, world
from tests.simulation.world import BrokenTickError, Observed

EVENTS = ("redeemed", "committed", "failed")
MINUTE = 60.0
PROMPT = 2.0
"""Seconds; a request that waited for the observer would take the whole limit of 3 s."""


def block(self: Observed, *_: object) -> None:
    """Hang for a minute."""
    self.watch.scheduler.sleep(MINUTE)


def fail(self: Observed, *_: object) -> None:
    """Raise what the simulation does not take for a defect."""
    raise BrokenTickError(self.process)


@pytest.mark.parametrize("do", [block, fail])
def test_nobody_waits_for_the_observer(
    monkeypatch: pytest.MonkeyPatch, do: Callable[..., None]
) -> None:
    """From a cold start over two lives, as many calls as ever, and only good answers."""
    for event in EVENTS:
        monkeypatch.setattr(Observed, event, do)
    monkeypatch.setattr(invariants, "REQUEST_LIMIT", PROMPT)
    with world(workers=2, pause=1.0) as made:
        made.start()
        made.run(PROMPT)
        assert states(made) == {State.FRESH}
        made.run(700)
        assert calls(made) == 2
        assert set(made.watch.answers) == {"200"}


@pytest.mark.parametrize("do", [block, fail])
def test_a_failure_is_shared_all_the_same(
    monkeypatch: pytest.MonkeyPatch, do: Callable[..., None]
) -> None:
    """The fleet backs off together, and recovers as ever."""
    for event in EVENTS:
        monkeypatch.setattr(Observed, event, do)
    with world(workers=2) as made:
        made.canvas.draw = lambda _: "internal"
        made.start()
        made.run(MINUTE / 2)
        assert calls(made) < MINUTE / 4
        assert until_fresh(made) < MINUTE
