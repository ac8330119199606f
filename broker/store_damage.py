"""What was found in Redis that no broker writes, and was removed: words for log, metric, health."""

from enum import StrEnum
from typing import NamedTuple


class Part(StrEnum):
    """What an organization keeps in Redis."""

    RECORD = "record"
    LEASE = "lease"
    BACKOFF = "backoff"
    REPORT = "report"


class Defect(StrEnum):
    """What is wrong with it."""

    TYPE = "type"
    """It is not of the Redis type that it should be."""
    SIZE = "size"
    """A field is longer than any that a broker writes."""
    VALUE = "value"
    """A field is missing, or its value is not of its form or not in its range."""
    TTL = "ttl"
    """It would never end."""
    SEAL = "seal"
    """It was not sealed with the organization's keys, or its generation is not that of its seal."""


class Damage(NamedTuple):
    """One thing that was found damaged."""

    part: Part
    defect: Defect
