"""The broker's own projected service-account token: a file that the kubelet renews."""

import re
import stat
from codecs import BOM_UTF8
from pathlib import Path

from broker.kubernetes.compact import LONGEST_TOKEN, read_unverified
from broker.secret import Secret

_VISIBLE = re.compile(r"[\x21-\x7e]+")


class OwnTokenError(Exception):
    """The own token cannot be used; the message says why and holds nothing of its content."""


def read_own_token(path: Path) -> Secret:
    """Return the token in the file at ``path``, without the white space around it.

    Raises OwnTokenError for anything but a file of visible ASCII, ``LONGEST_TOKEN`` bytes at most.
    """
    content = _read(path)
    if len(content) > LONGEST_TOKEN:
        raise OwnTokenError(f"the token file is longer than {LONGEST_TOKEN} bytes")
    token = content.decode("ascii", errors="replace").strip()
    if not _VISIBLE.fullmatch(token):
        raise OwnTokenError("the token file does not hold a token")
    return Secret(token)


def own_issuer(path: Path) -> str:
    """Return the ``iss`` claim of the token in the file at ``path``; raises OwnTokenError."""
    issuer = _own_claims(path).get("iss")
    if not isinstance(issuer, str) or not issuer:
        raise OwnTokenError("the token in the token file names no issuer")
    return issuer


def own_audiences(path: Path) -> list[object]:
    """Return the ``aud`` of that token, which is the API server's own; raises OwnTokenError."""
    audiences = _own_claims(path).get("aud")
    return audiences if isinstance(audiences, list) else [audiences]


def _own_claims(path: Path) -> dict[str, object]:
    """Return the claims, unverified: whoever can write this file can do as the broker does."""
    token = read_unverified(read_own_token(path).reveal())
    if token is None:
        raise OwnTokenError("the token file does not hold a service-account token")
    return token.claims


def _read(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise OwnTokenError("the token file is not a file")
        with path.open("rb") as file:
            return file.read(LONGEST_TOKEN + 1).removeprefix(BOM_UTF8)
    except FileNotFoundError:
        raise OwnTokenError("the token file does not exist") from None
    except (OSError, ValueError):
        raise OwnTokenError("the token file cannot be read") from None
