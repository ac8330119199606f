"""The compact form of a signed token (RFC 7515), read strictly and without verifying anything."""

import base64
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

LONGEST_TOKEN = 4096
"""Longest token that is looked at, in characters."""
_PART = "[A-Za-z0-9_-]"
_SIGNED = re.compile(rf"({_PART}+)\.({_PART}+)\.{_PART}+")


@dataclass(frozen=True, slots=True, repr=False)
class Unverified:
    """Header and claims of a token, as whoever wrote it wants them to be read."""

    header: dict[str, object]
    claims: dict[str, object]


def read_unverified(token: str) -> Unverified | None:
    """Return header and claims of a signed token of at most ``LONGEST_TOKEN`` characters.

    Stricter than JSON's usual readers: a member that occurs twice, ``NaN`` and infinity are
    refused, so that no other reader can understand the same token differently. None for all that.
    """
    found = _SIGNED.fullmatch(token) if len(token) <= LONGEST_TOKEN else None
    header, claims = (_object(found[1]), _object(found[2])) if found else (None, None)
    if header is None or claims is None:
        return None
    return Unverified(header, claims)


def _object(part: str) -> dict[str, object] | None:
    try:
        text = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode()
        value = json.loads(text, object_pairs_hook=_members, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _members(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    pairs = list(pairs)
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member occurs twice")
    return members


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)
