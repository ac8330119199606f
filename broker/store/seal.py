"""Encryption of what lies in Redis, with keys that come from the organization's own credentials.

HKDF-SHA256 (RFC 5869) gives each organization and credential version a key and a key name;
AES-256-GCM (NIST SP 800-38D) seals the values, with the organization and the slot as associated
data. Without the credentials a dump of Redis shows generations and times, nothing else.
"""

import json
import os
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from broker.credentials import Credentials

_NONCE_BYTES = 12
_NAME_BYTES = 16
_KEY_BYTES = 32


class UnsealError(Exception):
    """The value was not sealed with this key for this organization and slot."""


class Seal:
    """Seals and opens the values of one organization under one version of its credentials.

    ``scope`` tells deployments apart that use the same keys against different upstreams.
    """

    def __init__(self, organization: str, credentials: Credentials, scope: str) -> None:
        material = f"{credentials.consumer.reveal()}\0{credentials.secret_key.reveal()}".encode()
        context = f"{organization}\0{scope}"
        self._organization = organization
        self._aead = AESGCM(_derive(material, f"record key\0{context}", _KEY_BYTES))
        self.name = _derive(material, f"record name\0{context}", _NAME_BYTES).hex()

    def close(self, slot: str, content: dict[str, Any]) -> bytes:
        """Return ``content`` sealed for ``slot``: a nonce and the ciphertext."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, json.dumps(content).encode(), self._about(slot))

    def open(self, slot: str, sealed: bytes) -> Any:
        """Return the content of ``sealed``; raises :class:`UnsealError`."""
        nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return json.loads(self._aead.decrypt(nonce, ciphertext, self._about(slot)))
        except (InvalidTag, ValueError):
            pass
        raise UnsealError

    def _about(self, slot: str) -> bytes:
        return f"{self._organization}\0{slot}".encode()


def _derive(material: bytes, purpose: str, length: int) -> bytes:
    info = f"canvas-token-broker v1\0{purpose}".encode()
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(material)
