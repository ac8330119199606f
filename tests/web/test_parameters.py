"""Queries and forms are read strictly, and nothing of a bad one is repeated."""

from random import Random
from urllib.parse import parse_qsl, urlencode

import pytest

from broker.errors import InvalidRequestError
from broker.web.parameters import MOST, parameters

ALPHABET = "ab=&%+ ~\x00\x7f\xe4\u20ac\U0001f511"
PIECES = (b"a", b"b", b"=", b"&", b"%", b"+", b"%61", b"%26", b"%ff", b"\xc3\xa4", b"\xff", b";")


def test_what_clients_send_is_read() -> None:
    """As the standard library encodes it."""
    chance = Random(13)
    for _ in range(300):
        sent = {
            "".join(chance.choices(ALPHABET, k=2)): "".join(chance.choices(ALPHABET, k=4))
            for _ in range(chance.randrange(5))
        }
        assert parameters(urlencode(sent).encode()) == sent


def test_bytes_are_read_as_by_others_or_refused() -> None:
    """Whatever is taken, another strict reader understands the same."""
    chance, taken = Random(13), 0
    for _ in range(2000):
        sent = b"".join(chance.choices(PIECES, k=chance.randrange(8)))
        try:
            read = parameters(sent)
        except InvalidRequestError:
            continue
        taken += 1
        assert read == dict(parse_qsl(sent.decode(), keep_blank_values=True, errors="strict"))
    assert 500 < taken < 2000


@pytest.mark.parametrize("sent", [b"a=1&a=1", b"a=1&%61=2", b"a&a=", b"+=1&%20=2", b"=1&=2"])
def test_a_name_is_given_once(sent: bytes) -> None:
    """However it is spelled."""
    with pytest.raises(InvalidRequestError, match="is given more than once"):
        parameters(sent)


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (b"key=\xffsecret", "key is not UTF-8"),
        (b"key=secret%ff", "key is not UTF-8"),
        (b"key=%ed%a0%80secret", "key is not UTF-8"),
        (b"<b>=secret\xc3", "?b? is not UTF-8"),
        (b"=\xff", "a parameter without a name is not UTF-8"),
        (b"secret\xff=1", "the name of a parameter is not UTF-8"),
    ],
)
def test_what_is_not_utf8_is_named(sent: bytes, told: str) -> None:
    """By its parameter; the error holds none of the bytes, not even behind it."""
    with pytest.raises(InvalidRequestError) as refused:
        parameters(sent)
    assert str(refused.value) == told
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


def test_no_more_than_so_many() -> None:
    """Seven thousand, which a form has room for, took a thread as long as a thousand answers."""
    sent = "&&".join(f"a{number}=1" for number in range(MOST)).encode()
    assert len(parameters(sent)) == MOST
    with pytest.raises(InvalidRequestError, match="there are more than 64 parameters"):
        parameters(sent + b"&b=1")
