"""What the settings behind ``NAME_FILE`` say, as something to watch: they may be rotated."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from marshmallow import ValidationError

from broker.errors import SettingsError
from broker.files.reading import signature
from broker.files.watch import ATTEMPTS, Reading, read_settled
from broker.secret import Secret
from broker.settings.environment import SecretFileError, read_secret
from broker.settings.schema import OWN, PREFIX
from broker.settings.values import Settings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SecretFiles(Generic[T]):
    """Files of secret settings, by the names of the fields.

    ``make`` returns what is wanted of the settings with the present content of these files; it
    raises :class:`~broker.errors.SettingsError` for what does not go together.
    """

    settings: Settings
    files: Mapping[str, Path]
    make: Callable[[Settings], T]

    def signature(self) -> object:
        """Return what changes when any of the files does."""
        return tuple(signature(path) for path in self.files.values())

    def read(self, current: T) -> Reading[T]:
        """Return what the files ask for; ``current`` if anything is wrong with them."""
        settled = read_settled(self.signature, lambda: self._read_once(current))
        if settled is not None:
            return settled
        name = _name(next(iter(self.files)))
        return Reading(current, (f"{name}_FILE changed each of the {ATTEMPTS} times it was read",))

    def _read_once(self, current: T) -> Reading[T]:
        try:
            fresh: dict[str, Any] = {f: _read(f, path) for f, path in self.files.items()}
            return Reading(self.make(replace(self.settings, **fresh)))
        except SettingsError as error:
            return Reading(current, error.problems)


def secret_files(settings: Settings, fields: Iterable[str]) -> dict[str, Path]:
    """Return the files that these fields of the settings were read from, if they were."""
    named = {field: settings.secret_files.get(_name(field)) for field in fields}
    return {field: path for field, path in named.items() if path is not None}


def _read(field: str, path: Path) -> Secret:
    try:
        secret: Secret = OWN[field].parse(read_secret(_name(field), path))
    except SecretFileError as error:
        raise SettingsError([str(error)]) from None
    except ValidationError as error:
        raise SettingsError([f"{_name(field)} {text}" for text in error.messages]) from None
    return secret


def _name(field: str) -> str:
    return f"{PREFIX}{field.upper()}"
