"""Keys of a made-up cluster, and tokens signed with them, byte for byte as a test wants them.

Signed with ``cryptography`` alone: what the product reads with PyJWT comes from another hand, and
may be as wrong as PyJWT would not write it.
"""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def base64url(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def encoded(part: object) -> str:
    """Return a part of a token: bytes as they are, anything else as JSON."""
    return base64url(part if isinstance(part, bytes) else json.dumps(part).encode())


def _number(value: int, length: int | None = None) -> str:
    return base64url(value.to_bytes(length or (value.bit_length() + 7) // 8, "big"))


@dataclass(frozen=True)
class SigningKey:
    """A private key, the algorithm it signs with, and its id, which derives from it."""

    algorithm: str
    private: Private

    @property
    def pem(self) -> bytes:
        """Return the public key in PEM."""
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def kid(self) -> str:
        """Return the id."""
        return base64url(hashlib.sha256(self.pem).digest())

    def jwk(self, **changes: object) -> dict[str, Any]:
        """Return the public key as the cluster publishes it, with ``changes``."""
        found: dict[str, Any] = {"use": "sig", "kid": self.kid, "alg": self.algorithm}
        if isinstance(self.private, rsa.RSAPrivateKey):
            of_rsa = self.private.public_key().public_numbers()
            found |= {"kty": "RSA", "n": _number(of_rsa.n), "e": _number(of_rsa.e)}
        else:
            point = self.private.public_key().public_numbers()
            curve = {256: "P-256", 384: "P-384"}[self.private.key_size]
            x, y = (_number(value, self.private.key_size // 8) for value in (point.x, point.y))
            found |= {"kty": "EC", "crv": curve, "x": x, "y": y}
        return found | changes

    def sign(self, message: bytes) -> bytes:
        """Return the signature over SHA-256, in the form of JWS."""
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(message, padding.PKCS1v15(), hashes.SHA256())
        signature = self.private.sign(message, ec.ECDSA(hashes.SHA256()))
        return b"".join(part.to_bytes(32, "big") for part in decode_dss_signature(signature))


def compact(header: object, claims: object, key: SigningKey) -> str:
    """Return a token; header and claims are JSON values, or the bytes to take instead."""
    message = f"{encoded(header)}.{encoded(claims)}"
    return f"{message}.{base64url(key.sign(message.encode()))}"


def hs256(header: object, claims: object, secret: bytes) -> str:
    """Return a token with an HMAC in place of a signature."""
    message = f"{encoded(header)}.{encoded(claims)}"
    return f"{message}.{base64url(hmac.digest(secret, message.encode(), 'sha256'))}"


@cache
def rsa_key(number: int = 0, bits: int = 2048) -> SigningKey:
    """Return the RSA key with this number, always the same in one run: making one is slow."""
    del number
    return SigningKey("RS256", rsa.generate_private_key(65537, bits))


@cache
def ec_key(number: int = 0, curve: type[ec.EllipticCurve] = ec.SECP256R1) -> SigningKey:
    """Return the elliptic-curve key with this number."""
    del number
    return SigningKey("ES256", ec.generate_private_key(curve()))
