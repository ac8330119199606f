"""Messages of the feed as they are read: whoever may publish may send anything."""

import pytest

from broker.feed import Change
from broker.store.feed import read_change


def test_a_change() -> None:
    """An organization's name may hold spaces."""
    assert read_change(b"acme 0123 1800") == Change("acme", "0123", 1800)
    assert read_change(b"two words 0123 0") == Change("two words", "0123", 0)


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"acme", b"acme 0123", b"acme 0123 -1", b"acme 0123 1.5", b"acme 0123 x"),
        *(b"\xff 01 1", b"acme name 1", "acme 0123 \N{SUPERSCRIPT TWO}".encode()),
        *(b"x" * 5000, b"a b " + b"9" * 17, b"a" * 600 + b" b 1"),
    ],
)
def test_anything_else(data: bytes) -> None:
    """Is no change, and no error."""
    assert read_change(data) is None
