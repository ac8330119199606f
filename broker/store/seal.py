"""Encryption of what lies in Redis, with keys that come from the organization's own credentials.

HKDF-SHA256 (RFC 5869) gives each organization and credential version a key and a key name;
AES-256-GCM (NIST SP 800-38D) seals the values, with the organization and the slot as associated
data. Without the credentials a dump of Redis names organizations, generations and times, no token.
"""

import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from broker.credentials import Credentials
from broker.secret import Secret

_NONCE_BYTES = 12
_NAME_BYTES = 16
_KEY_BYTES = 32


class UnsealError(Exception):
    """The value was not sealed with this key for this organization and slot."""


class Seal:
    """Seals and opens the values of one organization under one version of its credentials.

    ``scope`` tells deployments apart that use the same keys against different upstreams. The cipher
    is made for each use: kept, it would be the largest thing an organization has in memory.
    """

    def __init__(self, organization: str, credentials: Credentials, scope: str) -> None:
        material = Secret(f"{credentials.consumer.reveal()}\0{credentials.secret_key.reveal()}")
        context = f"{organization}\0{scope}"
        self._organization = organization
        self._key = _derive(material, f"record key\0{context}", _KEY_BYTES)
        self.name = _derive(material, f"record name\0{context}", _NAME_BYTES).hex()

    def close(self, slot: str, content: Mapping[str, Any]) -> bytes:
        """Return ``content`` sealed for ``slot``: a nonce and the ciphertext.

        Secrets in it are revealed here and nowhere else, so that no variable holds one.
        """
        nonce, about = os.urandom(_NONCE_BYTES), self._about(slot)
        return nonce + AESGCM(self._key).encrypt(
            nonce, json.dumps(content, default=Secret.reveal).encode(), about
        )

    def open(self, slot: str, sealed: bytes, hide: Callable[[Any], Any] | None = None) -> Any:
        """Return the content of ``sealed``, passed through ``hide``; raises ``UnsealError``."""
        nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        about = self._about(slot)
        try:
            return json.loads(AESGCM(self._key).decrypt(nonce, ciphertext, about), object_hook=hide)
        except (InvalidTag, ValueError):
            pass
        raise UnsealError

    def _about(self, slot: str) -> bytes:
        return f"{self._organization}\0{slot}".encode()


def _derive(material: Secret, purpose: str, length: int) -> bytes:
    info = f"canvas-token-broker v1\0{purpose}".encode()
    kdf = HKDF(algorithm=SHA256(), length=length, salt=None, info=info)
    return kdf.derive(material.reveal().encode())
