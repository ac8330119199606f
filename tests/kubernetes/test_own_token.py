import os
from pathlib import Path

import pytest

from broker.kubernetes.compact import LONGEST_TOKEN
from broker.kubernetes.own_token import OwnTokenError, own_audiences, own_issuer, read_own_token
from tests.kubernetes.signing import encoded


def written(folder: Path, content: bytes) -> Path:
    """Return a file with this content."""
    file = folder / "token"
    file.write_bytes(content)
    return file


def test_the_token_is_read_without_white_space_and_kept_secret(tmp_path: Path) -> None:
    """A line end may follow it; it does not show itself."""
    token = read_own_token(written(tmp_path, b"canary.a.b\n"))
    assert token.reveal() == "canary.a.b"
    assert "canary" not in repr(token)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "does not hold a token"),
        (b" \n", "does not hold a token"),
        (b"canary\r\nX-Injected: 1", "does not hold a token"),
        (b"canary\xff", "does not hold a token"),
        (b"canary" * LONGEST_TOKEN, "is longer than 4096 bytes"),
    ],
)
def test_what_could_not_be_sent_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    """The message says why and shows nothing of the content."""
    with pytest.raises(OwnTokenError) as found:
        read_own_token(written(tmp_path, content))
    assert str(found.value) == f"the token file {reason}"


def test_a_file_that_is_not_there_is_named_so(tmp_path: Path) -> None:
    """Most often the projected volume is missing."""
    with pytest.raises(OwnTokenError, match="the token file does not exist"):
        read_own_token(tmp_path / "none")


@pytest.mark.parametrize("name", [".", "pipe"])
def test_only_a_file_is_read(tmp_path: Path, name: str) -> None:
    """A folder has no content, and a pipe would block."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OwnTokenError, match="is not a file"):
        read_own_token(tmp_path / name)


def test_a_name_that_cannot_be_is_refused(tmp_path: Path) -> None:
    """The system's error does not escape."""
    with pytest.raises(OwnTokenError, match="cannot be read"):
        read_own_token(tmp_path / ("x" * 300))


def test_the_issuer_is_the_claim_of_the_own_token(tmp_path: Path) -> None:
    """No signature is needed: the file is the broker's own."""
    token = f"{encoded({'alg': 'RS256'})}.{encoded({'iss': 'https://cluster'})}.c2ln"
    assert own_issuer(written(tmp_path, token.encode())) == "https://cluster"


@pytest.mark.parametrize(
    ("claims", "audiences"),
    [({"aud": ["a", "b"]}, ["a", "b"]), ({"aud": "a"}, ["a"]), ({}, [None])],
)
def test_the_audiences_are_those_of_the_own_token(
    tmp_path: Path, claims: object, audiences: list[object]
) -> None:
    """A list, as Kubernetes has it, or text (RFC 7519 section 4.1.3)."""
    token = f"{encoded({'alg': 'RS256'})}.{encoded(claims)}.c2ln"
    assert own_audiences(written(tmp_path, token.encode())) == audiences


@pytest.mark.parametrize("claims", [{}, {"iss": ""}, {"iss": ["canary"]}, {"iss": None}])
def test_a_token_without_issuer_says_so(tmp_path: Path, claims: object) -> None:
    """An operator must name it then."""
    token = f"{encoded({'alg': 'RS256'})}.{encoded(claims)}.c2ln"
    with pytest.raises(OwnTokenError) as found:
        own_issuer(written(tmp_path, token.encode()))
    assert str(found.value) == "the token in the token file names no issuer"


def test_what_is_no_token_has_no_issuer(tmp_path: Path) -> None:
    """The message shows nothing of it."""
    with pytest.raises(OwnTokenError) as found:
        own_issuer(written(tmp_path, b"canary"))
    assert str(found.value) == "the token file does not hold a service-account token"
