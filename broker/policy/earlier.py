"""The access tokens that a process held before the present one, and when they end.

A cache between here and Canvas may give an old answer as if it were new. A token that is known is
not believed to live longer than was told first.
"""

from dataclasses import dataclass, replace
from typing import Self

from broker.policy.values import Copy
from broker.secret import Secret

_MOST = 4


@dataclass(frozen=True, slots=True)
class Earlier:
    """An access token that was held: its hash in this process, its end, its credentials."""

    token: int
    expires: float
    version: str

    @classmethod
    def of(cls, copy: Copy) -> Self:
        """Return what is remembered of ``copy``."""
        return cls(hash(copy.record.access_token), copy.expires, copy.version)


class EarlierTokens:
    """The last few; immutable after each step, so it is read without a lock."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: tuple[Earlier, ...] = ()

    def add(self, copy: Copy | None) -> None:
        """Remember a copy that is given up, if its end is certain."""
        if copy is not None and copy.certain:
            latest = Earlier.of(copy)
            others = (each for each in self._known if each.token != latest.token)
            self._known = (latest, *others)[:_MOST]

    def dated(self, copy: Copy) -> Copy:
        """Return ``copy``, ending no later than its access token was to end before."""
        known = self.find(copy.record.access_token)
        return replace(copy, expires=min(copy.expires, known.expires)) if known else copy

    def find(self, access_token: Secret) -> Earlier | None:
        """Return what is known of ``access_token``."""
        token = hash(access_token)
        return next((each for each in self._known if each.token == token), None)
