"""A source of keys for tests without a server."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from broker.kubernetes.failure import KeysError, KeysFailure
from tests.kubernetes.signing import SigningKey, ec_key, rsa_key

OLD, NEW = rsa_key(0), ec_key(0)
DOWN = KeysError(KeysFailure.CONNECT)


def document(*keys: SigningKey) -> bytes:
    """Return a JWKS."""
    return json.dumps({"keys": [key.jwk() for key in keys]}).encode()


ONLY_OLD = document(OLD)


@dataclass
class Publisher:
    """A source of keys: answers what the test put there, and counts."""

    answer: bytes | Exception = ONLY_OLD
    fetches: int = 0
    before: Callable[[], object] = field(default=lambda: None)

    def fetch(self) -> bytes:
        """Answer or fail."""
        self.fetches += 1
        self.before()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer
