"""Callers: which internal services may ask, by which key, for which organizations."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, TypeAlias

CALLER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
CALLER_NAME_RULE = "1 to 63 letters, digits, '.', '_' and '-', beginning with a letter or digit"
CALLER_KEY = re.compile(r"[\x21-\x7e]{20,4096}")
KEY_PREFIX = "ctb_"
_KEY_BYTES = 32


class Everything(Enum):
    """The type of :data:`EVERYTHING`."""

    EVERYTHING = "*"


EVERYTHING: Literal[Everything.EVERYTHING] = Everything.EVERYTHING
"""In place of a set of organizations: all that are configured, now and later."""

Organizations: TypeAlias = frozenset[str] | Literal[Everything.EVERYTHING]


@dataclass(frozen=True, slots=True)
class Caller:
    """An internal service; ``key_sha256`` holds the SHA-256 of each of its keys, in hexadecimal.

    ``service_account`` is ``namespace:name`` of the Kubernetes service account that it runs as.
    """

    name: str
    organizations: Organizations
    key_sha256: frozenset[str] = field(default=frozenset(), repr=False)
    service_account: str | None = None

    def may_use(self, organization: str) -> bool:
        """Tell whether this caller may ask for the organization's token."""
        return self.organizations is EVERYTHING or organization in self.organizations

    def only_organization(self, known: frozenset[str]) -> str | None:
        """Return the one organization of ``known`` that it may use; None if not exactly one."""
        usable = known if self.organizations is EVERYTHING else self.organizations & known
        return next(iter(usable)) if len(usable) == 1 else None


@dataclass(frozen=True, slots=True)
class Callers:
    """All callers, found by their key."""

    callers: tuple[Caller, ...] = ()
    _by_digest: dict[str, Caller] = field(init=False, repr=False, compare=False)
    _by_account: dict[str, Caller] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        index = {digest: caller for caller in self.callers for digest in caller.key_sha256}
        object.__setattr__(self, "_by_digest", index)
        accounts = {
            caller.service_account: caller for caller in self.callers if caller.service_account
        }
        object.__setattr__(self, "_by_account", accounts)

    def find(self, key: str) -> Caller | None:
        """Return the caller that has ``key``, if any has; none has one that is not sound.

        A slip that hashes next to nothing would else give everybody who sends as little a token.
        """
        if not CALLER_KEY.fullmatch(key):
            return None
        presented = key_digest(key)
        caller = self._by_digest.get(presented)
        digests = () if caller is None else caller.key_sha256
        return caller if any(hmac.compare_digest(one, presented) for one in digests) else None

    def find_named(self, name: str, key: str) -> Caller | None:
        """Return the caller that has both ``name`` and ``key``."""
        caller = self.find(key)
        return caller if caller is not None and caller.name == name else None

    def of_service_account(self, account: str) -> Caller | None:
        """Return the caller that runs as ``account`` (``namespace:name``), if any does."""
        return self._by_account.get(account)

    def problems(self) -> Iterator[str]:
        """Yield a sentence for each caller that could not be told apart from an earlier one."""
        for one, other in self._sharing(lambda caller: caller.key_sha256):
            yield f"callers.{one} and callers.{other} have a key in common"
        for one, other in self._sharing(lambda caller: {caller.service_account} - {None}):
            yield f"callers.{one} and callers.{other} have the same service_account"

    def _sharing(self, of: Callable[[Caller], Iterable[object]]) -> list[tuple[str, str]]:
        """Return the name of each that owns what an earlier one does, behind that one's."""
        owners: dict[object, Caller] = {}
        pairs: dict[tuple[str, str], None] = {}
        for caller in self.callers:
            for thing in of(caller):
                owner = owners.setdefault(thing, caller)
                if owner is not caller:
                    pairs[owner.name, caller.name] = None
        return list(pairs)


def key_digest(key: str) -> str:
    """Return the SHA-256 of a caller key as 64 hexadecimal digits, the form in which it is kept."""
    return hashlib.sha256(key.encode()).hexdigest()


def new_key() -> tuple[str, str]:
    """Return a new caller key of 256 random bits, and its SHA-256 in hexadecimal."""
    key = KEY_PREFIX + secrets.token_urlsafe(_KEY_BYTES)
    return key, key_digest(key)
