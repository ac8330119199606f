import pytest

from bench.stats import Spread, percentile, ratios


def test_spread_is_the_middle_and_both_ends() -> None:
    """Of an even number, the mean of the middle two."""
    assert Spread.of([5.0, 1.0, 2.0, 4.0]) == Spread(3.0, 1.0, 5.0)


@pytest.mark.parametrize(
    ("values", "digits", "scale", "shown"),
    [
        ([1234.4], 0, 1.0, "1,234"),
        ([1000.0, 2000.0, 3000.0], 0, 1.0, "2,000 (1,000-3,000)"),
        ([0.0011, 0.0012], 2, 1e3, "1.15 (1.10-1.20)"),
    ],
)
def test_spread_is_shown_with_its_ends(
    values: list[float], digits: int, scale: float, shown: str
) -> None:
    """The ends are left out where there was one round only."""
    assert Spread.of(values).shown(digits, scale) == shown


def test_ratios_are_taken_round_by_round() -> None:
    """A round in which the machine was slow for both changes nothing."""
    assert ratios([90.0, 45.0, 9.0], [100.0, 50.0, 10.0]) == Spread(0.9, 0.9, 0.9)


def test_ratio_to_nothing_is_nothing() -> None:
    """A rival that gave nothing makes nobody look good."""
    assert ratios([5.0], [0.0]).median == 0.0


def test_ratios_need_as_many_rounds_of_both() -> None:
    """One that lacks a round was not measured in turn."""
    with pytest.raises(ValueError, match="shorter"):
        ratios([1.0, 2.0], [1.0])


@pytest.mark.parametrize(
    ("percent", "value"), [(0, 1.0), (1, 1.0), (50, 50.0), (99, 99.0), (100, 100.0)]
)
def test_percentile_is_one_of_the_values(percent: float, value: float) -> None:
    """The smallest that so many do not exceed."""
    assert percentile([float(n) for n in range(100, 0, -1)], percent) == value


def test_percentile_of_few_is_the_largest() -> None:
    """No figure is made up between two of them; of none it is 0."""
    assert percentile([3.0, 1.0], 99) == 3.0
    assert percentile([], 99) == 0.0
