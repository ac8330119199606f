"""The margin: how long before its expiry a token is refreshed, drawn once by who commits."""

import pytest

from broker.limits import Limits
from broker.tokens import State, draw_margin, state_of
from tests.policy.fleet import Fleet, Worker

LIMITS = Limits()


@pytest.mark.parametrize(
    ("lifetime", "margin"),
    [
        (45, 22.5),  # at most half the life
        (60, 30),
        (90, 45),
        (120, 45),  # at least 45 s
        (135, 45),
        (150, 50),
        (600, 200),  # a third of the life
        (899, 899 / 3),
        (900, 300),
        (3600, 300),  # at most 300 s
        (86400, 300),
    ],
)
def test_margin(lifetime: float, margin: float) -> None:
    """A third of the life, within 45 and 300 s, and at most half the life."""
    assert draw_margin(lifetime, 1.0, LIMITS) == pytest.approx(margin)


@pytest.mark.parametrize(("spread", "margin"), [(0.9, 180), (1.0, 200), (1.1, 220)])
def test_margin_is_spread(spread: float, margin: float) -> None:
    """A tenth to either side, so that a fleet does not move in step."""
    assert draw_margin(600, spread, LIMITS) == pytest.approx(margin)


@pytest.mark.parametrize("lifetime", [45, 60, 90])
def test_spread_never_exceeds_half_the_life(lifetime: float) -> None:
    """The cap of half the life holds after the spread too."""
    assert draw_margin(lifetime, 1.1, LIMITS) <= lifetime / 2


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


@pytest.mark.parametrize(
    ("remaining", "state"),
    [
        (200.1, State.FRESH),
        (200.0, State.STALE),
        (30.1, State.STALE),
        (30.0, State.CRITICAL),
        (5.1, State.CRITICAL),
        (5.0, State.EMPTY),
        (-1.0, State.EMPTY),
    ],
)
def test_bounds_of_the_states(remaining: float, state: State) -> None:
    """Each threshold belongs to the worse state."""
    assert state_of(remaining, 200.0, LIMITS) is state
