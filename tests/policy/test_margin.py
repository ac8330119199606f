"""The margin is drawn once, by who commits, and shared through the record."""

import pytest

from broker.tokens import State
from tests.policy.fleet import Fleet, Worker


@pytest.mark.parametrize(("chance", "margin"), [(0.0, 180), (0.5, 200), (1.0, 220)])
def test_drawn_once_and_shared(
    fleet: Fleet, worker: Worker, other: Worker, chance: float, margin: float
) -> None:
    """Who commits draws the margin; every worker uses that one, whatever it would draw itself."""
    worker.runtime.chance = chance
    worker.ask()
    other.ask()
    record = fleet.shelf().record
    assert record is not None
    assert record.margin == pytest.approx(margin)
    fleet.clock.sleep(600 - margin - 2)
    assert {each.ask().state for each in fleet.workers} == {State.FRESH}
    fleet.clock.sleep(3)
    assert {each.ask().state for each in fleet.workers} == {State.STALE}
