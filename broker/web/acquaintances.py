"""Who has proved before, by the same words, who asks and for which organization.

A caller sends the same words at each request. What they prove depends on nothing but the callers in
force and which organizations there are; while these are the same, it need not be found out again.
"""

import hashlib
from typing import NamedTuple

from broker.policy.organization import Organization

MOST = 10_000
"""Acquaintances that are kept, a quarter of a kilobyte each."""


class Acquaintance(NamedTuple):
    """Who asks, by name, and what for."""

    caller: str
    organization: Organization


class Acquaintances:
    """Those of one process; forgotten when what they rest on is replaced by anything else.

    Only who was let in is kept, so strangers cannot fill it (but where nobody is asked who they
    are); under a digest, so it holds no key.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._kept: tuple[object, frozenset[str], dict[bytes, Acquaintance]]
        self._kept = None, frozenset(), {}

    def under(self, callers: object, known: frozenset[str]) -> dict[bytes, Acquaintance]:
        """Return those who proved it under these callers and organizations, by their digest."""
        before, there, found = self._kept
        if before is not callers or there is not known:
            found = {}
            self._kept = callers, known, found
        return found

    def keep(self, among: dict[bytes, Acquaintance], digest: bytes, one: Acquaintance) -> None:
        """Keep one; where there is no room, all others are forgotten, and met again as they ask."""
        if len(among) >= self._most:
            among.clear()
        among[digest] = one


def digest_of(words: str) -> bytes:
    """Return what words are kept under: 32 bytes that do not tell them."""
    return hashlib.sha256(words.encode()).digest()
