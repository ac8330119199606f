"""Kinds of settings: how the text of an environment variable becomes a value, and how it is shown.

No message of a ``ValidationError`` repeats the text: people paste secrets into the wrong variable.
"""

import math
import re
from abc import abstractmethod
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from marshmallow import ValidationError, fields

from broker.secret import SHOWN, Secret

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)
_DURATION = re.compile(r"[0-9]+(?:\.[0-9]+)?", re.ASCII)
_MODE = re.compile(r"0?[0-7]{3}", re.ASCII)
_COUNT = re.compile(r"[0-9]{1,9}", re.ASCII)


class Setting(fields.Field[T]):
    """One setting. ``default`` is written as it would be in the environment."""

    secret = False

    def __init__(self, meaning: str, *, default: str | None = None, required: bool = False) -> None:
        metadata = {"meaning": meaning, "default": default}
        if required:
            super().__init__(
                required=True, error_messages={"required": "is required"}, metadata=metadata
            )
        else:
            value = None if default is None else self.parse(default)
            super().__init__(load_default=value, metadata=metadata)

    def _deserialize(
        self, value: str, attr: str | None, data: Mapping[str, object] | None, **kwargs: object
    ) -> T:
        del attr, data, kwargs
        return self.parse(value)

    @abstractmethod
    def parse(self, text: str) -> T:
        """Return the value; raise ``ValidationError`` that says what is allowed."""

    def show(self, value: T) -> object:
        """Return what a log line may hold of ``value``."""
        return value


class Duration(Setting[float]):
    """Seconds."""

    def parse(self, text: str) -> float:
        """Return a finite number above 0."""
        value = float(text) if _DURATION.fullmatch(text) else math.nan
        if not 0 < value < math.inf:
            raise ValidationError("must be a number of seconds above 0, such as 2 or 0.5")
        return value


class Share(Setting[float]):
    """A part of a whole."""

    def parse(self, text: str) -> float:
        """Return a number from 0 to 1."""
        value = float(text) if _DURATION.fullmatch(text) else math.nan
        if not 0 <= value <= 1:
            raise ValidationError("must be a number from 0 to 1, such as 0.01")
        return value


class Count(Setting[int]):
    """A whole number of ``least`` or more."""

    def __init__(self, meaning: str, *, default: str, least: int = 1) -> None:
        self._least = least
        super().__init__(meaning, default=default)

    def parse(self, text: str) -> int:
        """Return the number."""
        value = int(text) if _COUNT.fullmatch(text) else -1
        if value < self._least:
            raise ValidationError(f"must be a whole number from {self._least} up")
        return value


class Mode(Setting[int]):
    """Who may do what with a file, in octal digits."""

    def parse(self, text: str) -> int:
        """Return the bits."""
        if not _MODE.fullmatch(text):
            raise ValidationError("must be a mode in octal digits, such as 0660")
        return int(text, 8)

    def show(self, value: int) -> object:
        """Return it as it is written."""
        return f"{value:04o}"


class Flag(Setting[bool]):
    """Yes or no."""

    def parse(self, text: str) -> bool:
        """Return the truth of ``true`` or ``false``."""
        if text not in {"true", "false"}:
            raise ValidationError("must be true or false")
        return text == "true"


class Choice(Setting[E]):
    """One word of a fixed list."""

    def __init__(self, meaning: str, *, words: type[E], default: str) -> None:
        self._words = words
        super().__init__(meaning, default=default)

    def parse(self, text: str) -> E:
        """Return the member of the list."""
        try:
            return self._words(text)
        except ValueError:
            raise ValidationError(f"must be one of {', '.join(self._words)}") from None


class Text(Setting[str]):
    """A text that ``parse`` accepts, perhaps in another form."""

    def __init__(
        self, meaning: str, *, accept: Callable[[str], str], default: str | None = None
    ) -> None:
        self._accept = accept
        super().__init__(meaning, default=default)

    def parse(self, text: str) -> str:
        """Return what ``accept`` makes of the text."""
        return self._accept(text)


class Texts(Setting[tuple[str, ...]]):
    """Comma-separated texts, each as ``accept`` returns it."""

    def __init__(
        self, meaning: str, *, accept: Callable[[str], str], default: str | None = None
    ) -> None:
        self._accept = accept
        super().__init__(meaning, default=default)

    def parse(self, text: str) -> tuple[str, ...]:
        """Return the texts without the blanks around them."""
        return tuple(self._accept(part.strip()) for part in text.split(","))

    def show(self, value: tuple[str, ...] | None) -> object:
        """Return the texts joined again."""
        return None if value is None else ",".join(value)


class Location(Setting[Path]):
    """A file or folder; a relative one is taken from where the process starts."""

    def parse(self, text: str) -> Path:
        """Return the absolute path. Nothing is looked at."""
        if "\0" in text:
            raise ValidationError("must be a path")
        return Path(text).absolute()

    def show(self, value: Path | None) -> object:
        """Return the path as text."""
        return None if value is None else str(value)


class SecretText(Setting[Secret]):
    """A secret; ``shown`` returns what of it is none."""

    secret = True

    def __init__(
        self,
        meaning: str,
        *,
        accept: Callable[[str], str],
        shown: Callable[[str], str] | None = None,
        required: bool = False,
    ) -> None:
        self._accept = accept
        self._shown = shown
        super().__init__(meaning, required=required)

    def parse(self, text: str) -> Secret:
        """Return what ``accept`` makes of the text, wrapped."""
        return Secret(self._accept(text))

    def show(self, value: Secret | None) -> object:
        """Return the part that is no secret, or a mark in its place."""
        if value is None:
            return None
        return self._shown(value.reveal()) if self._shown else SHOWN


def matching(pattern: re.Pattern[str], rule: str) -> Callable[[str], str]:
    """Return a function that accepts texts of the pattern only; ``rule`` says what is allowed."""

    def accept(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValidationError(rule)
        return text

    return accept
