"""Callers are found by their key and may use their own organizations only."""

import hashlib
import re

import pytest

from broker.callers import CALLER_KEY, EVERYTHING, Caller, Callers, key_digest, new_key

ONE, TWO, THREE = (f"ctb_the-key-number-{n}" for n in (1, 2, 3))
BILLING = Caller("billing", frozenset({"acme", "globex"}), frozenset({key_digest(ONE)}))
REPORTS = Caller("reports", EVERYTHING, frozenset({key_digest(TWO), key_digest(THREE)}))
CALLERS = Callers((BILLING, REPORTS))


def test_a_caller_is_found_by_each_of_its_keys() -> None:
    """Two keys live side by side while they are rotated."""
    assert CALLERS.find(ONE) is BILLING
    assert CALLERS.find(TWO) is REPORTS
    assert CALLERS.find(THREE) is REPORTS


@pytest.mark.parametrize("key", ["", "four", key_digest(ONE), f"{ONE} ", "ön€", "\udcff"])
def test_any_other_text_finds_nobody(key: str) -> None:
    """Not even the digest that is kept, nor text that is no Unicode."""
    assert CALLERS.find(key) is None


@pytest.mark.parametrize("key", ["x" * 20, "!" * 20, "~" * 4096])
def test_a_sound_key_has_20_to_4096_visible_characters(key: str) -> None:
    """Letters, digits and signs alike."""
    caller = Caller("billing", EVERYTHING, frozenset({key_digest(key)}))
    assert Callers((caller,)).find(key) is caller


ODD = (" ", "\t", "\n", "\r\n", "\0", "\x7f", "\x85", "\xa0", "é")
LONG = "x" * 20
WEAK = (
    *ODD,
    LONG[1:],
    "x" * 4097,
    *(LONG + odd for odd in ODD[1:]),
    *(odd + LONG for odd in ODD[1:]),
)


@pytest.mark.parametrize("key", WEAK)
def test_a_weak_key_finds_nobody(key: str) -> None:
    """Even if its digest is kept: too short, too long, or with a character that no key has."""
    callers = Callers((Caller("billing", EVERYTHING, frozenset({key_digest(key)})),))
    assert callers.find(key) is None
    assert callers.find_named("billing", key) is None


def test_nobody_is_found_among_no_callers() -> None:
    """Also not by an empty key."""
    assert Callers().find("") is None


def test_a_caller_uses_its_own_organizations_only() -> None:
    """Everything means everything."""
    assert BILLING.may_use("acme")
    assert not BILLING.may_use("initech")
    assert REPORTS.may_use("initech")


@pytest.mark.parametrize(
    ("caller", "known", "only"),
    [
        (BILLING, frozenset({"acme", "initech"}), "acme"),
        (BILLING, frozenset({"acme", "globex"}), None),
        (BILLING, frozenset({"initech"}), None),
        (BILLING, frozenset(), None),
        (REPORTS, frozenset({"initech"}), "initech"),
        (REPORTS, frozenset({"initech", "acme"}), None),
    ],
)
def test_the_organization_may_be_left_out_when_just_one_is_usable(
    caller: Caller, known: frozenset[str], only: str | None
) -> None:
    """Usable: the caller may use it and it is configured."""
    assert caller.only_organization(known) == only


def test_callers_that_cannot_be_told_apart_are_problems() -> None:
    """Each is named with the first that has the same."""
    shared = frozenset({key_digest(ONE), key_digest("five")})
    copy = Caller("copy", EVERYTHING, shared, service_account="a:b")
    other = Caller("other", EVERYTHING, service_account="a:b")
    third = Caller("third", EVERYTHING)
    assert list(Callers((BILLING, copy, other, third)).problems()) == [
        "callers.billing and callers.copy have a key in common",
        "callers.copy and callers.other have the same service_account",
    ]
    assert list(CALLERS.problems()) == []


def test_a_key_that_all_have_is_told_once_for_each() -> None:
    """Not for each pair: of 10,000 there are fifty millions."""
    shared = frozenset({key_digest(ONE)})
    callers = Callers(tuple(Caller(f"c{n}", EVERYTHING, shared) for n in range(10_000)))
    assert len(list(callers.problems())) == 9_999


def test_callers_show_no_digest() -> None:
    """A log line with a caller in it names it and no more."""
    assert key_digest(ONE) not in repr(CALLERS)


def test_callers_are_equal_by_what_the_file_says() -> None:
    """So that a reload tells a change from a touched file."""
    assert Callers((BILLING,)) == Callers((BILLING,))
    assert Callers((BILLING,)) != CALLERS


def test_a_new_key_is_long_random_and_kept_as_its_digest() -> None:
    """256 bits in 43 characters that need no quoting anywhere."""
    key, digest = new_key()
    assert re.fullmatch(r"ctb_[A-Za-z0-9_-]{43}", key)
    assert CALLER_KEY.fullmatch(key)
    assert digest == hashlib.sha256(key.encode()).hexdigest()
    assert new_key()[0] != key
