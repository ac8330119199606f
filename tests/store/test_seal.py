"""What lies in Redis is useless without the organization's own keys."""

import pytest

from broker.store.seal import Seal, UnsealError
from tests.fakes import credentials

SCOPE = "https://canvas.example/api"
CONTENT = {"access_token": "a-token", "lifetime": 600.0}


def seal(organization: str = "acme", digit: str = "a", scope: str = SCOPE) -> Seal:
    """Return the seal of an organization."""
    return Seal(organization, credentials(digit), scope)


def test_opens_what_it_closed() -> None:
    """The same credentials, organization and slot open a value."""
    assert seal().open("record", seal().close("record", CONTENT)) == CONTENT


@pytest.mark.parametrize(
    ("opener", "slot"),
    [
        (seal(organization="other"), "record"),
        (seal(digit="b"), "record"),
        (seal(scope="https://other.example/api"), "record"),
        (seal(), "spare"),
    ],
    ids=["organization", "credentials", "upstream", "slot"],
)
def test_opens_nothing_else(opener: Seal, slot: str) -> None:
    """Another organization, credential version, upstream or slot does not open it."""
    sealed = seal().close("record", CONTENT)
    with pytest.raises(UnsealError) as caught:
        opener.open(slot, sealed)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("damaged", [b"", b"short", bytes(64)])
def test_damage_is_noticed(damaged: bytes) -> None:
    """Truncated or altered values are refused, not misread."""
    with pytest.raises(UnsealError):
        seal().open("record", damaged)


def test_not_one_bit_can_be_changed() -> None:
    """Anywhere: in the nonce, the content or the tag; nor can a byte be cut off or added."""
    sealed = seal().close("record", CONTENT)
    flipped = [
        bytes([*sealed[:at], sealed[at] ^ 1, *sealed[at + 1 :]]) for at in range(len(sealed))
    ]
    for forged in (*flipped, sealed[:-1], sealed[1:], sealed + b"\0"):
        with pytest.raises(UnsealError):
            seal().open("record", forged)


def test_never_the_same_bytes_twice() -> None:
    """Equal contents do not show as equal."""
    assert seal().close("record", CONTENT) != seal().close("record", CONTENT)


def test_names_do_not_collide() -> None:
    """Each credential version, organization and upstream has a key name of its own."""
    seals = [seal(), seal(digit="b"), seal("other"), seal(scope="https://other.example/api")]
    assert len({each.name for each in seals}) == len(seals)
    assert credentials().consumer.reveal() not in seal().name
