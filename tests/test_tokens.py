"""The state of a token follows from its remaining life; the margin from its whole life."""

from dataclasses import replace

import pytest

from broker.limits import Limits
from broker.secret import Secret
from broker.tokens import Record, RefreshToken, State, TokenPair, draw_margin, floor_of, state_of

LIMITS = Limits()
RECORD = Record(
    generation=20,
    provisional=15,
    access_token=Secret("canary-access"),
    lifetime=600,
    expires_at=1000,
    margin=200,
    refresh_token=Secret("canary-refresh"),
    refresh_expires_at=9000,
)


@pytest.mark.parametrize(
    ("remaining", "state"),
    [
        (600.0, State.FRESH),
        (200.1, State.FRESH),
        (200.0, State.STALE),
        (30.1, State.STALE),
        (30.0, State.CRITICAL),
        (5.1, State.CRITICAL),
        (5.0, State.EMPTY),
        (0.0, State.EMPTY),
        (-600.0, State.EMPTY),
    ],
)
def test_each_border_belongs_to_the_worse_state(remaining: float, state: State) -> None:
    """With a margin of 200, a floor of 30 and 5 seconds at which it counts as dead."""
    assert state_of(remaining, 200, LIMITS) is state


@pytest.mark.parametrize(("margin", "floor"), [(200, 30), (40, 30), (24, 18), (10, 7.5)])
def test_the_floor_lies_below_the_margin_of_the_shortest_token_too(
    margin: float, floor: float
) -> None:
    """Its refresh begins before anybody waits for it."""
    assert floor_of(margin, LIMITS) == floor
    assert state_of(margin, margin, LIMITS) is State.STALE
    assert state_of(floor + 0.1, margin, LIMITS) is State.STALE
    assert state_of(floor, margin, LIMITS) is State.CRITICAL


@pytest.mark.parametrize(
    ("lifetime", "margin"),
    [
        (899, 899 / 3),
        (600, 200),
        (900, 300),
        (901, 300),
        (86400, 300),
        (135, 45),
        (134, 45),
        (100, 45),
        (90, 45),
        (89, 44.5),
        (60, 30),
        (10, 5),
        (0, 0),
    ],
)
def test_the_margin_is_a_third_within_bounds_and_at_most_half(
    lifetime: float, margin: float
) -> None:
    """From 45 to 300 seconds."""
    assert draw_margin(lifetime, 1.0, LIMITS) == pytest.approx(margin)


@pytest.mark.parametrize(("spread", "margin"), [(0.9, 180), (1.0, 200), (1.1, 220)])
def test_the_margin_is_spread_by_what_was_drawn(spread: float, margin: float) -> None:
    """So that a fleet does not move in step."""
    assert draw_margin(600, spread, LIMITS) == pytest.approx(margin)


@pytest.mark.parametrize("lifetime", [10, 45, 90, 135, 600, 899, 86400])
@pytest.mark.parametrize("spread", [0.9, 1.0, 1.1])
def test_no_margin_takes_more_than_half_of_a_life(lifetime: float, spread: float) -> None:
    """Else a token would be refreshed as soon as it comes."""
    assert draw_margin(lifetime, spread, LIMITS) <= lifetime / 2


def test_the_bounds_of_the_margin_are_the_limits_own() -> None:
    """They are settings."""
    limits = replace(LIMITS, margin_min=60, margin_max=70)
    assert [draw_margin(lifetime, 1, limits) for lifetime in (150, 195, 900)] == [60, 65, 70]


def test_a_record_goes_by_every_generation_it_was_served_under() -> None:
    """From the provisional one to the one that was committed."""
    assert [number for number in range(30) if RECORD.names(number)] == [15, 16, 17, 18, 19, 20]


def test_no_token_shows_in_a_repr() -> None:
    """Neither of what Canvas answers nor of what is stored."""
    refresh = RefreshToken(Secret("canary-refresh"), 86400)
    pair = TokenPair(Secret("canary-access"), 600, refresh, 0)
    assert "canary" not in f"{pair!r} {RECORD!r}"
