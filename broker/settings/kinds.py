"""Kinds of settings: how the text of an environment variable becomes a value, and how it is shown.

No message of a ``ValidationError`` repeats the text: people paste secrets into the wrong variable.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Generic, TypeVar

from marshmallow import ValidationError

from broker.secret import SHOWN, Secret


class CallerAuth(StrEnum):
    """How callers prove who they are."""

    KEYS = "keys"
    """By the credentials that the callers file names."""
    NONE = "none"
    """Not at all; for development on a loopback address."""


class ClientCerts(StrEnum):
    """Whether a caller must show a certificate of its own, where client authorities are given."""

    REQUIRED = "required"
    OPTIONAL = "optional"


class ManagementTls(StrEnum):
    """How the management port is served."""

    SAME = "same"
    """As the callers' port is: with its certificate and client authorities, if it has any."""
    OFF = "off"


class LogFormat(StrEnum):
    """How a log line looks."""

    AUTO = "auto"
    JSON = "json"
    TEXT = "text"


class Tracing(StrEnum):
    """Where spans go."""

    NONE = "none"
    OTLP = "otlp"


class LogLevel(StrEnum):
    """From which severity on log lines are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)
_DECIMAL = r"[0-9]+(\.[0-9]+)?"


def _as_it_is(value: object) -> object:
    return value


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """What ``parse`` makes of a text, or a ``ValidationError`` that says what is allowed.

    ``show`` returns what a log line may hold of a value. ``schema`` is what JSON Schema can say of
    it where it is a value of the chart.
    """

    parse: Callable[[str], T]
    show: Callable[[T], object] = _as_it_is
    secret: bool = False
    schema: dict[str, object] = field(default_factory=dict)

    def default(self, written: str, meaning: str) -> T:
        """Declare a field with a default, written as it would be in the environment."""
        told = {"kind": self, "default": written, "meaning": meaning}
        return field(default=self.parse(written), metadata=told)

    def optional(self, meaning: str) -> T | None:
        """Declare a field that is None where it is not set."""
        return field(default=None, metadata={"kind": self, "meaning": meaning})

    def required(self, meaning: str) -> T:
        """Declare a field that must be set."""
        declared: T = field(metadata={"kind": self, "meaning": meaning, "required": True})
        return declared


def _written(
    pattern: str,
    rule: str,
    convert: Callable[[str], T],
    allowed: Callable[[T], bool] = lambda _: True,
    **schema: object,
) -> Kind[T]:
    """Return the kind of texts of a pattern that become allowed values; ``rule`` says which."""

    def parse(text: str) -> T:
        if re.fullmatch(pattern, text) and allowed(value := convert(text)):
            return value
        raise ValidationError(f"must be {rule}")

    return Kind(parse, schema={"type": "string", "pattern": f"^({pattern})$"} | schema)


def matching(pattern: str, rule: str) -> Kind[str]:
    """Return the kind of texts that ``pattern`` matches whole; ``rule`` says what they must be."""
    return _written(pattern, rule, str)


def count(least: int = 1) -> Kind[int]:
    """Return the kind of whole numbers from ``least`` up."""
    rule = f"a whole number from {least} up"
    numbers = {"type": ["integer", "string"], "minimum": least}
    return _written("[0-9]{1,9}", rule, int, least.__le__, **numbers)


def choice(words: type[E]) -> Kind[E]:
    """Return the kind of one word of a list."""
    return _written("|".join(words), f"one of {', '.join(words)}", words, enum=list(words))


def listed(kind: Kind[str]) -> Kind[tuple[str, ...]]:
    """Return the kind of comma-separated texts, with blanks around them or not."""
    return Kind(lambda text: tuple(kind.parse(part.strip()) for part in text.split(",")), ",".join)


def secret(kind: Kind[str], shown: Callable[[str], str] = lambda _: SHOWN) -> Kind[Secret]:
    """Return the same kind as a secret; ``shown`` returns what of it is none."""
    return Kind(
        lambda text: Secret(kind.parse(text)), lambda value: shown(value.reveal()), secret=True
    )


def _path(text: str) -> Path:
    if "\0" in text:
        raise ValidationError("must be a path")
    return Path(text).absolute()


SECONDS = _written(
    _DECIMAL,
    "a number of seconds above 0, such as 2 or 0.5",
    float,
    lambda value: 0 < value < math.inf,
    type=["number", "string"],
    exclusiveMinimum=0,
)
SHARE = _written(_DECIMAL, "a number from 0 to 1, such as 0.01", float, lambda value: value <= 1)
FLAG = _written("true|false", "true or false", "true".__eq__, type=["boolean", "string"])
MODE = replace(
    _written("0?[0-7]{3}", "a mode in octal digits, such as 0660", lambda text: int(text, 8)),
    show="{:04o}".format,
)
PATH = Kind(_path, str)
"""A file or folder; a relative one is taken from where the process starts. Nothing is looked at."""
TEXT = Kind(str)
AUDIT_LOG = matching(r"stdout|stderr|none|/[^\0]*", "stdout, stderr, none or an absolute path")
VISIBLE = matching("[!-~]{1,255}", "1 to 255 visible ASCII characters")
KEY_PREFIX = matching("[A-Za-z0-9:_.-]{1,64}", "1 to 64 letters, digits, ':', '_', '.' and '-'")
