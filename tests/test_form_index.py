"""What is in the index is found, what was taken out is not, in whatever order that happened."""

import random

import pytest

from broker.form_index import _BATCH, START, FormIndex

ALPHABET = b"abcdefgh"


def expected(text: bytes, forms: list[bytes]) -> list[tuple[int, int]]:
    """Return all places the slow way."""
    return sorted(
        (place, place + len(form))
        for form in set(forms)
        for place in range(len(text))
        if text.startswith(form, place)
    )


def word(dice: random.Random, longest: int) -> bytes:
    """Return some bytes; many begin alike."""
    return bytes(dice.choices(ALPHABET[:2], k=START - 4)) + bytes(
        dice.choices(ALPHABET, k=dice.randint(4, longest))
    )


@pytest.mark.parametrize("seed", range(20))
def test_it_finds_what_a_slow_search_finds(seed: int) -> None:
    """After each of many additions and removals, many at a time and one by one."""
    dice, index, forms = random.Random(seed), FormIndex(), list[bytes]()
    for _ in range(40):
        new = [word(dice, 12) for _ in range(dice.choice((0, 1, 2, 60)))]
        new += dice.sample(forms, min(len(forms), 2))
        index.add(new)
        forms += new
        gone = dice.sample(forms, dice.randint(0, len(forms) // 2))
        index.remove(gone)
        for form in gone:
            forms.remove(form)
        assert len(index) == len(forms)
        text = b"".join([word(dice, 5), *dice.sample(forms, min(len(forms), 3)), word(dice, 5)])
        assert sorted(set(index.find(text))) == expected(text, forms)


def test_nothing_is_found_in_an_empty_index() -> None:
    """Nor in a text that is too short."""
    index = FormIndex()
    assert index.find(b"a" * 100) == []
    index.add([b"a" * START])
    assert index.find(b"a" * (START - 1)) == []
    assert index.find(b"a" * START) == [(0, START)]


def test_an_end_beyond_the_text_is_no_place() -> None:
    """The beginning alone is not enough."""
    index = FormIndex()
    index.add([b"abcdefgh-and-more"])
    assert index.find(b"x abcdefgh-and-mor") == []
    assert index.find(b"x abcdefgh-and-more") == [(2, 19)]


def test_what_is_not_in_it_can_be_removed() -> None:
    """Nothing happens."""
    index = FormIndex()
    index.add([b"abcdefgh"])
    index.remove([b"abcdefghi", b"bcdefghij"])
    assert len(index) == 1


def test_more_than_are_taken_up_at_a_time() -> None:
    """All are found, and none once it was taken out; the sieve stays small beside them."""
    index, forms = FormIndex(), [b"form-%06d-end" % number for number in range(_BATCH * 2 + 3)]
    index.add(iter(forms))
    assert len(index) == len(forms)
    assert all(index.find(form) == [(0, len(form))] for form in forms[::97])
    index.remove(forms[1:])
    assert len(index) == 1
    assert index.find(forms[0]) == [(0, len(forms[0]))]
    assert index.find(forms[-1]) == []
