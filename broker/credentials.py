"""An organization's Consumer and SecretKey, and the fingerprint that names a version of them."""

import hashlib
import platform
import re
from dataclasses import dataclass, field

from broker.secret import Secret

ORGANIZATION = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?")
ORGANIZATION_RULE = (
    "1 to 63 characters of a-z, 0-9, '.', '_' and '-', beginning and ending with a letter or digit"
)
CONSUMER = re.compile(r"[0-9A-Fa-f]{64}")
SECRET_KEY = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_VERSION_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Credentials:
    """The two keys of one organization.

    ``version`` is a fingerprint of both: it changes when either does, and tells nothing of them.
    ``writing`` (:func:`name_writing`) differs when the same ones were written anew; it is no part
    of what they are.
    """

    consumer: Secret
    secret_key: Secret
    writing: str = field(default="", compare=False)
    version: str = field(init=False)

    def __post_init__(self) -> None:
        both = f"{self.consumer.reveal()}\0{self.secret_key.reveal()}"
        digest = hashlib.sha256(b"canvas-token-broker credential version\0" + both.encode())
        object.__setattr__(self, "version", digest.hexdigest()[:_VERSION_DIGITS])

    def problems(self, consumer_name: str, secret_key_name: str) -> list[str]:
        """Return a sentence for each key that Canvas could not have issued (``canvas-api.md``)."""
        found = []
        if not CONSUMER.fullmatch(self.consumer.reveal()):
            found.append(f"{consumer_name} must be 64 hexadecimal digits")
        if not SECRET_KEY.fullmatch(self.secret_key.reveal()):
            found.append(f"{secret_key_name} must be a UUID (8-4-4-4-12 hexadecimal digits)")
        return found


def name_writing(version: str) -> str:
    """Return what names one writing of the keys, as this host sees it: host, slash, version."""
    return f"{platform.node()}/{version}"
