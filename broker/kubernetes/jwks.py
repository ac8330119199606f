"""From a JWKS document (RFC 7517) to the keys that may verify a token."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeGuard

from jwt import PyJWK
from jwt.exceptions import PyJWTError

from broker.kubernetes.failure import KeysError, KeysFailure

RS256 = "RS256"
ES256 = "ES256"
ALGORITHMS = frozenset({RS256, ES256})
LONGEST_KID = 256
"""Longest key id that is taken, in characters."""
_FEWEST_RSA_BITS = 2048
_PUBLIC_MEMBERS = {RS256: ("kty", "n", "e"), ES256: ("kty", "crv", "x", "y")}


@dataclass(frozen=True, slots=True)
class Key:
    """A public key of the cluster and the one algorithm that it verifies.

    ``material`` are its public members, by which two keys are the same or not.
    """

    algorithm: str
    material: tuple[str, ...] = field(repr=False)
    jwk: PyJWK = field(repr=False, compare=False)


def read_keys(document: bytes) -> dict[str, Key]:
    """Return the usable keys of a JWKS by their id; raises KeysError if there are none.

    Passed over are keys without id, for other algorithms or uses, and too small ones. Of two with
    one id the first counts.
    """
    keys: dict[str, Key] = {}
    for entry in _entries(document):
        kid, key = _kid(entry), _key(entry)
        if kid is not None and key is not None:
            keys.setdefault(kid, key)
    if not keys:
        raise KeysError(KeysFailure.NO_KEY)
    return keys


def is_kid(value: object) -> TypeGuard[str]:
    """Tell whether ``value`` can be the id of a key that is taken."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST_KID


def _entries(document: bytes) -> list[Mapping[str, object]]:
    try:
        parsed = json.loads(document)
    except (ValueError, RecursionError):
        parsed = None
    entries = parsed.get("keys") if isinstance(parsed, dict) else None
    if not isinstance(entries, list):
        raise KeysError(KeysFailure.NOT_KEYS)
    return [entry for entry in entries if isinstance(entry, dict)]


def _kid(entry: Mapping[str, object]) -> str | None:
    kid = entry.get("kid")
    return kid if is_kid(kid) else None


def _key(entry: Mapping[str, object]) -> Key | None:
    algorithm = _algorithm(entry)
    if algorithm is None:
        return None
    public = {name: entry.get(name) for name in _PUBLIC_MEMBERS[algorithm]}
    try:
        jwk = PyJWK(public, algorithm)
    except (PyJWTError, ValueError, TypeError):
        return None
    if algorithm == RS256 and jwk.key.key_size < _FEWEST_RSA_BITS:
        return None
    return Key(algorithm, tuple(str(value) for value in public.values()), jwk)


def _algorithm(entry: Mapping[str, object]) -> str | None:
    """Return what a key of this type verifies, unless it says that it is for something else."""
    match entry:
        case {"kty": "RSA"}:
            algorithm = RS256
        case {"kty": "EC", "crv": "P-256"}:
            algorithm = ES256
        case _:
            return None
    if entry.get("use", "sig") != "sig" or entry.get("alg", algorithm) != algorithm:
        return None
    return algorithm
