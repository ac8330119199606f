"""Shares of the places to wait: what one may hold, and what is left to the next."""

import itertools

import pytest

from broker.policy.places import Places


def many(name: str) -> list[str]:
    """Return more names than there are places."""
    return [f"{name}-{number}" for number in range(200)]


@pytest.mark.parametrize(
    ("limit", "organization", "caller", "everything"),
    [(1, 1, 1, 1), (2, 1, 1, 2), (3, 2, 1, 3), (16, 8, 6, 12), (128, 64, 43, 96)],
)
def test_what_one_alone_may_hold(
    limit: int, organization: int, caller: int, everything: int
) -> None:
    """An organization, by many callers; a caller, for it; a caller, for many of them."""
    assert sum(places_of(limit, ["acme"], many("caller"))) == organization
    assert sum(places_of(limit, ["acme"], ["app"])) == caller
    assert sum(places_of(limit, many("organization"), ["app"])) == everything


def places_of(limit: int, organizations: list[str], callers: list[str]) -> list[int]:
    """Return how many places each organization gets, one after the other."""
    places = Places(limit)
    got = []
    for organization in organizations:
        before = places.taken
        while any(places.take(organization, caller) for caller in callers):
            pass
        got.append(places.taken - before)
    return got


def test_the_next_organization_gets_half_of_the_rest() -> None:
    """However many hang before it; the last place is for one that has none."""
    assert places_of(16, ["a", "b", "c", "d", "e", "f"], many("caller")) == [8, 4, 2, 1, 1, 0]


def test_one_caller_for_several_organizations() -> None:
    """An organization that hangs leaves the same caller places for the next ones."""
    assert places_of(16, ["a", "b", "c", "d"], ["app"]) == [6, 4, 2, 0]
    places = Places(16)
    while places.take("acme", "app"):
        pass
    assert places.take("acme", "other"), "its other callers wait, too"
    assert places.take("globex", "app")


def test_a_caller_that_holds_all_it_may_leaves_places_for_others() -> None:
    """For whichever organization they ask."""
    places = Places(128)
    for organization in many("organization"):
        while places.take(organization, "app"):
            pass
    assert places.taken == 96
    assert not places.take("another", "app")
    assert places.take("another", "other")
    assert places.take("organization-0", "other") is False, "that one holds a third already"


def test_there_are_never_more_than_the_limit() -> None:
    """Whoever asks, in whatever order."""
    places = Places(16)
    for organization, caller in itertools.product(many("organization"), many("caller")):
        places.take(organization, caller)
    assert places.taken == 16


def test_what_is_given_back_is_free_and_forgotten() -> None:
    """Names of those who wait no more are not kept."""
    places = Places(16)
    for _ in range(3):
        got = [one for one in many("caller") if places.take("acme", one)]
        assert len(got) == 8
        for one in got:
            places.give_back("acme", one)
        assert places.taken == 0
    assert not places._held
