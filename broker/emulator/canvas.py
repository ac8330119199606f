"""What Canvas does with keys and tokens: no HTTP, no thread, an injected clock and randomness."""

import hmac
import secrets
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from broker.emulator.fingerprints import fingerprint
from broker.emulator.minting import Answer, Utc, claims, sign, whole_seconds

UNKNOWN = "unknown"
_PRUNE_EVERY = 1000


class WrongKeysError(Exception):
    """401: Consumer or SecretKey is wrong or missing."""


class UnknownRefreshTokenError(Exception):
    """404: the refresh token is not found."""


class Sessions(StrEnum):
    """Whether an Authenticate ends the organization's earlier tokens."""

    SINGLE = "single"
    MANY = "many"


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How Canvas behaves where its vendor is silent; durations in seconds. Strict by default."""

    access_lifetime_authenticate: float = 899.0
    """Life of an access token from Authenticate."""
    access_lifetime_refresh: float = 600.0
    """Life of an access token from RefreshAccessToken."""
    refresh_lifetime: float = 86400.0
    """Life of every refresh token."""
    sessions: Sessions = Sessions.MANY
    """Whether tokens of several Authenticates live side by side."""
    grace: float = 0.0
    """How long after its first use a refresh token still works."""
    reuse_revokes_family: bool = False
    """Whether a used refresh token, presented again, ends all that came of its Authenticate."""
    clock_shift: float = 0.0
    """Seconds that the clock shown in answers, tokens and ``Date`` is ahead of Canvas's own."""
    date_shift: float = 0.0
    """Seconds that ``Date`` alone is ahead of the clock shown elsewhere."""
    fraction_digits: int = 7
    """Fractional digits of expiries."""
    drop_zeros: bool = False
    """Whether zeros at the end of the fraction are left out, as .NET's JSON writers do."""
    utc_as: Utc = Utc.OFFSET
    """How the offset of UTC is written."""
    cache: float = 0.0
    """How long a shared cache before Canvas gives an answer to Authenticate again."""
    cache_tells_age: bool = True
    """Whether that cache says ``Age``."""
    cache_obeys: bool = True
    """Whether that cache passes over requests with ``Cache-Control: no-cache`` or ``no-store``."""


@dataclass(slots=True)
class _Family:
    """All tokens that came of one Authenticate."""

    consumer: str
    alive: bool = True


@dataclass(slots=True)
class _Token:
    family: _Family
    expires: float
    used: float | None = field(default=None)


class Canvas:
    """The tokens of some organizations, known by Consumer, each with its SecretKey.

    ``names`` gives an organization's name by Consumer; without, its fingerprint names it.
    ``now`` is Canvas's own clock in Unix seconds; ``random_bytes(n)`` returns n random bytes.
    ``behaviour`` may be replaced at any time. Safe to use from several threads.
    """

    def __init__(
        self,
        keys: Mapping[str, str],
        *,
        names: Mapping[str, str] | None = None,
        behaviour: Behaviour | None = None,
        now: Callable[[], float] = time.time,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self.behaviour = behaviour or Behaviour()
        self._keys = dict(keys)
        self._names = {consumer: fingerprint(consumer) for consumer in keys} | dict(names or {})
        self._now = now
        self._random = random_bytes
        self._signing_key = random_bytes(32)
        self._users = {consumer: self._uuid() for consumer in keys}
        self._access: dict[str, _Token] = {}
        self._refresh: dict[str, _Token] = {}
        self._issued = 0
        self._lock = threading.Lock()

    @property
    def organizations(self) -> tuple[str, ...]:
        """The names of all organizations."""
        return tuple(self._names[consumer] for consumer in self._keys)

    def organization(self, consumer: str) -> str:
        """Return the name that belongs to ``consumer``, or "unknown"."""
        return self._names[consumer] if consumer in self._keys else UNKNOWN

    def date(self) -> float:
        """Return the time for the ``Date`` header, in Unix seconds."""
        behaviour = self.behaviour
        return self._now() + behaviour.clock_shift + behaviour.date_shift

    def authenticate(
        self, consumer: str, secret_key: str, *, lifetime: float | None = None
    ) -> Answer:
        """Exchange the keys for a token pair; raises :class:`WrongKeysError`.

        ``lifetime`` replaces the access token's usual one; below zero it is born expired.
        """
        with self._lock:
            self._check(consumer, secret_key)
            if self.behaviour.sessions is Sessions.SINGLE:
                self._end_all(consumer)
            usual = self.behaviour.access_lifetime_authenticate
            return self._issue(_Family(consumer), usual if lifetime is None else lifetime)

    def refresh(
        self, consumer: str, secret_key: str, refresh_token: str, *, lifetime: float | None = None
    ) -> Answer:
        """Redeem a refresh token for a new pair.

        Raises :class:`WrongKeysError`, or :class:`UnknownRefreshTokenError` when the token is
        used up, expired, revoked, another organization's or made up. ``lifetime`` is as above.
        """
        with self._lock:
            self._check(consumer, secret_key)
            token = self._refresh.get(refresh_token)
            if token is None or token.family.consumer != consumer or not self._lives(token):
                raise UnknownRefreshTokenError
            self._use(token)
            usual = self.behaviour.access_lifetime_refresh
            return self._issue(token.family, usual if lifetime is None else lifetime)

    def owner(self, access_token: str) -> str | None:
        """Return the organization that this access token (a bare JWT) is good for, if any."""
        with self._lock:
            token = self._access.get(access_token)
            if token is None or not self._lives(token):
                return None
            return self._names[token.family.consumer]

    def whoami(self, access_token: str) -> bool:
        """Tell whether the business API would accept this access token (a bare JWT) now."""
        return self.owner(access_token) is not None

    def revoke(self, access_token: str) -> bool:
        """End this access token (a bare JWT) now; tell whether it was alive."""
        with self._lock:
            token = self._access.pop(access_token, None)
            return token is not None and self._lives(token)

    def revoke_organization(self, organization: str) -> int:
        """End all access tokens of an organization, by name; return how many were alive."""
        with self._lock:
            ended = [
                jwt
                for jwt, token in self._access.items()
                if self._names[token.family.consumer] == organization
            ]
            return sum(self._lives(self._access.pop(jwt)) for jwt in ended)

    def _check(self, consumer: str, secret_key: str) -> None:
        expected = self._keys.get(consumer)
        if expected is None or not hmac.compare_digest(expected.encode(), secret_key.encode()):
            raise WrongKeysError

    def _lives(self, token: _Token) -> bool:
        return token.family.alive and self._now() < token.expires

    def _use(self, token: _Token) -> None:
        now = self._now()
        if token.used is None:
            token.used = now
        elif now - token.used >= self.behaviour.grace:
            if self.behaviour.reuse_revokes_family:
                token.family.alive = False
            raise UnknownRefreshTokenError

    def _issue(self, family: _Family, lifetime: float) -> Answer:
        self._prune()
        shift = self.behaviour.clock_shift
        shown = self._now() + shift
        answer = Answer(
            access_token=self._mint(family.consumer, shown, shown + lifetime),
            access_expires=shown + lifetime,
            refresh_token=self._random(16).hex(),
            refresh_expires=shown + self.behaviour.refresh_lifetime,
        )
        # A business API goes by `exp`, which is cut to whole seconds: dead up to 1 s earlier.
        exp = whole_seconds(answer.access_expires)
        self._access[answer.access_token] = _Token(family, exp - shift)
        self._refresh[answer.refresh_token] = _Token(family, answer.refresh_expires - shift)
        return answer

    def _mint(self, consumer: str, issued: float, expires: float) -> str:
        content = claims(self._uuid(), self._users[consumer], issued, expires)
        return sign(content, self._signing_key)

    def _uuid(self) -> str:
        return str(uuid.UUID(bytes=self._random(16), version=4))

    def _end_all(self, consumer: str) -> None:
        for token in [*self._access.values(), *self._refresh.values()]:
            if token.family.consumer == consumer:
                token.family.alive = False

    def _prune(self) -> None:
        self._issued += 1
        if self._issued % _PRUNE_EVERY == 0:
            self._access = {jwt: one for jwt, one in self._access.items() if self._lives(one)}
            self._refresh = {word: one for word, one in self._refresh.items() if self._lives(one)}
