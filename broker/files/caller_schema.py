"""The closed schema of one caller's table in the callers file."""

import re
from abc import abstractmethod
from collections.abc import Mapping
from functools import lru_cache
from typing import TypeVar

from marshmallow import RAISE, Schema, ValidationError, fields, validates_schema

from broker.callers import EVERYTHING, Organizations, key_digest
from broker.credentials import ORGANIZATION, ORGANIZATION_RULE

T = TypeVar("T")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_ENDINGS = {"": "", "\n": "LF", "\r\n": "CRLF"}
SLIPS = {
    key_digest(text + ending): " and ".join(filter(None, (text, name))) or "nothing"
    for text in ("", "-", '""', "''", "null")
    for ending, name in _ENDINGS.items()
}
"""Of the texts that are hashed by mistake where a key is missing: the digest, and words for it."""
_SERVICE_ACCOUNT = re.compile(
    r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?"
)


class Entry(fields.Field[T]):
    """One entry of the table; no message of it repeats the value."""

    def _deserialize(
        self, value: object, attr: str | None, data: Mapping[str, object] | None, **kwargs: object
    ) -> T:
        del attr, data, kwargs
        return self.parse(value)

    @abstractmethod
    def parse(self, value: object) -> T:
        """Return what ``value`` means; raise ``ValidationError`` with what it must be."""


class KeyDigests(Entry[frozenset[str]]):
    """One SHA-256 in hexadecimal, or a list of them while keys are rotated."""

    def parse(self, value: object) -> frozenset[str]:
        """Return the digests in lower case."""
        listed = value if isinstance(value, list) else [value]
        digests = [item.lower() for item in listed if isinstance(item, str)]
        good = [digest for digest in digests if _DIGEST.fullmatch(digest)]
        if not good or len(good) < len(listed):
            raise ValidationError(
                "must be the SHA-256 of a key in 64 hexadecimal digits, or a list of such"
            )
        slips = [SLIPS[digest] for digest in good if digest in SLIPS]
        if slips:
            raise ValidationError([f"holds the SHA-256 of {told}, not of a key" for told in slips])
        return frozenset(good)


@lru_cache(maxsize=1024)
def _shared(names: frozenset[str]) -> frozenset[str]:
    """Return one object for all callers that may use the same organizations."""
    return names


class OrganizationNames(Entry[Organizations]):
    """A list of organizations, or ``["*"]``."""

    def parse(self, value: object) -> Organizations:
        """Return the names as a set."""
        if value == [EVERYTHING.value]:
            return EVERYTHING
        listed = value if isinstance(value, list) else []
        names = [item for item in listed if isinstance(item, str) and ORGANIZATION.fullmatch(item)]
        if not names or len(names) < len(listed):
            raise ValidationError(
                f'must be ["*"], or a list of organizations, each {ORGANIZATION_RULE}'
            )
        return _shared(frozenset(names))


class ServiceAccount(Entry[str]):
    """A Kubernetes service account as ``namespace:name``."""

    def parse(self, value: object) -> str:
        """Return the value as it is."""
        if not (isinstance(value, str) and _SERVICE_ACCOUNT.fullmatch(value)):
            raise ValidationError('must be "namespace:name" of a Kubernetes service account')
        return value


class CallerSchema(Schema):
    """One table ``[callers.<name>]``."""

    class Meta:
        """Closed: a name that is not below is a problem."""

        unknown = RAISE

    key_sha256 = KeyDigests(load_default=frozenset())
    service_account = ServiceAccount(load_default=None)
    organizations = OrganizationNames(
        required=True,
        error_messages={"required": 'is missing: a list of organizations, or ["*"]'},
    )

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def has_credential(
        self, data: object, original: Mapping[str, object], **kwargs: object
    ) -> None:
        """Refuse a caller that could never prove who it is."""
        del data, kwargs
        if not {"key_sha256", "service_account"} & original.keys():
            raise ValidationError("needs key_sha256, or service_account, or both")
