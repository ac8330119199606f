"""From a projected service-account token to the service account: all checks, in order."""

import hashlib
import math
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import jwt
from jwt.exceptions import PyJWTError
from jwt.types import Options

from broker.clock import Clock
from broker.errors import InvalidCredentialError
from broker.kubernetes.compact import LONGEST_TOKEN, read_unverified
from broker.kubernetes.jwks import ALGORITHMS, Key, is_kid
from broker.kubernetes.keys import Keys

LEEWAY = 10.0
"""Seconds by which this host's clock and the cluster's may differ."""
REMEMBERED = 1024
"""Verified tokens that are remembered."""
_SUBJECT = re.compile(
    r"system:serviceaccount:"
    r"([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)"
)
# The clock of PyJWT cannot be replaced: exp and nbf are compared here.
_OPTIONS: Options = {
    "require": ["exp", "iat", "iss", "aud", "sub"],
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
}


@dataclass(frozen=True, slots=True)
class _Verified:
    """What a token said whose signature, issuer and audience are good, and by which key.

    It is taken from ``begins`` to ``expires``, with :data:`LEEWAY`.
    """

    account: str
    expires: float
    begins: float
    kid: str
    key: Key = field(repr=False)


class ServiceAccounts:
    """Tells service accounts by their tokens for ``audience``, issued by exactly ``issuer``.

    ``keys`` are the cluster's; no token is taken whose whole life is longer than ``longest_life``
    seconds. May be used by many threads.
    """

    def __init__(
        self, audience: str, issuer: str, keys: Keys, clock: Clock, longest_life: float
    ) -> None:
        self.keys = keys
        self._audience = audience
        self._issuer = issuer
        self._clock = clock
        self._longest_life = longest_life
        self._lock = threading.Lock()
        self._verified: dict[bytes, _Verified] = {}

    def identify(self, token: str) -> str:
        """Return ``namespace:name`` of the service account that the token was issued to.

        Raises InvalidCredentialError for whatever is wrong with the token, and
        TemporarilyUnavailableError if the keys that would tell are out of reach.
        """
        if len(token) > LONGEST_TOKEN or not token.isascii():
            raise InvalidCredentialError
        digest = hashlib.sha256(token.encode()).digest()
        verified = self._recall(digest)
        if verified is None:
            verified = self._verify(token)
            self._check_times(verified)
            self._remember(digest, verified)
        else:
            self._check_times(verified)
        return verified.account

    def recall(self, token: str) -> tuple[str, Callable[[], bool]] | None:
        """Return the same of a token that was verified before, and what tells if it still is.

        Asks nobody, and never waits.
        """
        if len(token) > LONGEST_TOKEN or not token.isascii():
            return None
        digest = hashlib.sha256(token.encode()).digest()
        verified = self._recall(digest)
        if verified is None or not self._is_good(verified):
            return None
        return verified.account, partial(self._is_good, verified)

    def _is_good(self, verified: _Verified) -> bool:
        """Tell whether the key that verified it is in force, and its time has not run out."""
        in_time = verified.begins <= self._clock.wall() < verified.expires
        return in_time and self.keys.holds(verified.kid, verified.key)

    def _verify(self, token: str) -> _Verified:
        unverified = read_unverified(token)
        if unverified is None:
            raise InvalidCredentialError
        kid, algorithm = _kid_and_algorithm(unverified.header)
        key = self.keys.find(kid)
        if key is None or key.algorithm != algorithm:
            raise InvalidCredentialError
        claims = self._signed_claims(token, key)
        issued, expires = _instant(claims["iat"]), _instant(claims["exp"])
        if expires - issued > self._longest_life:
            raise InvalidCredentialError
        return _Verified(
            account=_account(claims["sub"]),
            expires=expires + LEEWAY,
            begins=max(issued, _instant(claims.get("nbf", issued))) - LEEWAY,
            kid=kid,
            key=key,
        )

    def _signed_claims(self, token: str, key: Key) -> dict[str, object]:
        claims: dict[str, object] | None = None
        with suppress(PyJWTError, ValueError, TypeError):
            claims = jwt.decode(
                token,
                key.jwk,
                algorithms=[key.algorithm],
                audience=self._audience,
                issuer=self._issuer,
                options=_OPTIONS,
            )
        if claims is None:  # raised here, since PyJWT's errors show pieces of the token
            raise InvalidCredentialError
        return claims

    def _check_times(self, verified: _Verified) -> None:
        if not verified.begins <= self._clock.wall() < verified.expires:
            raise InvalidCredentialError

    def _recall(self, digest: bytes) -> _Verified | None:
        """Return what is known of the token, if the key that verified it is still in force."""
        verified = self._verified.get(digest)
        if verified is None or not self.keys.holds(verified.kid, verified.key):
            return None
        return verified

    def _remember(self, digest: bytes, verified: _Verified) -> None:
        with self._lock:
            if len(self._verified) >= REMEMBERED:
                del self._verified[next(iter(self._verified))]
            self._verified[digest] = verified


def _kid_and_algorithm(header: dict[str, object]) -> tuple[str, str]:
    kid, algorithm = header.get("kid"), header.get("alg")
    if not is_kid(kid) or "crit" in header:
        raise InvalidCredentialError
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise InvalidCredentialError
    return kid, algorithm


def _account(subject: object) -> str:
    found = _SUBJECT.fullmatch(subject) if isinstance(subject, str) else None
    if found is None:
        raise InvalidCredentialError
    return found[1]


def _instant(value: object) -> float:
    """Return Unix seconds; a bool, infinity and what is beyond every number are none."""
    instant = math.inf
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):
            instant = float(value)
    if not math.isfinite(instant):
        raise InvalidCredentialError
    return instant
