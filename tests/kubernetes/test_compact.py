import pytest

from broker.kubernetes.compact import LONGEST_TOKEN, read_unverified
from tests.kubernetes.signing import encoded


def token(header: object = None, claims: object = None) -> str:
    """Return a token whose signature is none."""
    return f"{encoded(header or {'alg': 'RS256'})}.{encoded(claims or {'sub': 'x'})}.c2ln"


def test_header_and_claims_are_read() -> None:
    """Both are JSON objects in base64url."""
    found = read_unverified(token({"alg": "RS256"}, {"sub": "höher"}))
    assert found is not None
    assert found.header == {"alg": "RS256"}
    assert found.claims == {"sub": "höher"}


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "..",
        "a.b",
        "a.b.c",
        f"{token()}.x.y",
        token().rpartition(".")[0] + ".",
        token() + "\n",
        token() + "=",
        " " + token(),
        token(b"[]"),
        token(b"null"),
        token(claims=b'"sub"'),
        token(claims=b"{"),
        token(claims=b"\xff"),
        token(b'{"alg":"none","alg":"RS256"}'),
        token(claims=b'{"sub":"a","\\u0073ub":"b"}'),
        token(claims=b'{"deep":{"a":1,"a":2}}'),
        token(claims=b'{"exp":NaN}'),
        token(claims=b'{"exp":-Infinity}'),
        token(claims=b"[" * 2000),
        token(claims=b'{"exp":' + b"9" * 2900 + b"e"),
        token(claims={"pad": "x" * LONGEST_TOKEN}),
    ],
)
def test_everything_else_is_refused(wrong: str) -> None:
    """It is not even an error that could show something of the token."""
    assert read_unverified(wrong) is None


def test_what_is_read_shows_nothing_of_itself() -> None:
    """Claims are not for logs."""
    assert "canary" not in repr(read_unverified(token(claims={"sub": "canary"})))
