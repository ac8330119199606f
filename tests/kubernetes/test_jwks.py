import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from broker.kubernetes.failure import KeysError
from broker.kubernetes.jwks import LONGEST_KID, read_keys
from tests.kubernetes.signing import SigningKey, ec_key, rsa_key

RSA, EC = rsa_key(), ec_key()
GOOD = RSA.jwk()


def document(*entries: object) -> bytes:
    """Return a JWKS."""
    return json.dumps({"keys": list(entries)}).encode()


def test_each_key_has_the_one_algorithm_of_its_type() -> None:
    """RSA verifies RS256, P-256 verifies ES256, and nothing else."""
    keys = read_keys(document(RSA.jwk(), EC.jwk()))
    assert {kid: key.algorithm for kid, key in keys.items()} == {RSA.kid: "RS256", EC.kid: "ES256"}


@pytest.mark.parametrize("member", ["use", "alg"])
def test_use_and_algorithm_may_be_left_out(member: str) -> None:
    """The type says enough."""
    entry = {name: value for name, value in GOOD.items() if name != member}
    assert read_keys(document(entry)).keys() == {RSA.kid}


@pytest.mark.parametrize(
    "entry",
    [
        RSA.jwk(use="enc"),
        RSA.jwk(alg="RS512"),
        RSA.jwk(alg="HS256"),
        EC.jwk(alg="RS256"),
        RSA.jwk(kid=""),
        RSA.jwk(kid=7),
        RSA.jwk(kid="x" * (LONGEST_KID + 1)),
        {name: value for name, value in GOOD.items() if name != "kid"},
        {name: value for name, value in GOOD.items() if name != "n"},
        RSA.jwk(n=12),
        RSA.jwk(n="ä"),
        RSA.jwk(e=""),
        RSA.jwk(kty="oct", k="c2VjcmV0"),
        RSA.jwk(kty="OKP"),
        RSA.jwk(kty=["RSA"]),
        EC.jwk(x=EC.jwk()["y"]),
        EC.jwk(crv="P-384"),
        ec_key(0, ec.SECP384R1).jwk(),
        rsa_key(0, 1024).jwk(),
        "key",
        None,
    ],
)
def test_a_key_that_may_not_be_used_is_passed_over(entry: object) -> None:
    """The good one beside it is taken; alone it is as good as none."""
    assert read_keys(document(entry, EC.jwk(kid="good"))).keys() == {"good"}
    with pytest.raises(KeysError) as found:
        read_keys(document(entry))
    assert found.value.failure == "no_key"


@pytest.mark.parametrize(
    "text",
    [b"", b"<html>", b"[]", b"null", b"{}", b'{"keys":{}}', b"\xff\xfe", b"[" * 30000],
)
def test_what_is_no_jwks_is_named_so(text: bytes) -> None:
    """Whatever a proxy or another server answers."""
    with pytest.raises(KeysError) as found:
        read_keys(text)
    assert found.value.failure == "not_keys"
    assert found.value.__context__ is None


def test_of_two_keys_with_one_id_the_first_counts() -> None:
    """A later one cannot take its place."""
    keys = read_keys(document(RSA.jwk(), rsa_key(1).jwk(kid=RSA.kid)))
    assert keys == read_keys(document(RSA.jwk()))


def test_a_private_key_is_read_as_its_public_half() -> None:
    """Nothing but the public members is looked at."""
    keys = read_keys(document(RSA.jwk(d="AQAB", p="AQAB")))
    assert keys == read_keys(document(RSA.jwk()))


@pytest.mark.parametrize("key", [RSA, EC])
def test_keys_are_equal_by_their_material(key: SigningKey) -> None:
    """Fetched again it is the same; another one under its id is not."""
    other = rsa_key(1) if key is RSA else ec_key(1)
    assert read_keys(document(key.jwk())) == read_keys(document(key.jwk()))
    assert read_keys(document(key.jwk())) != read_keys(document(other.jwk(kid=key.kid)))
