"""From an environment to settings, of which each is valid or not; none is compared yet."""

import dataclasses
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from marshmallow import Schema, ValidationError, fields

from broker.errors import SettingsError
from broker.files.reading import UnreadableError, read_text
from broker.limits import Limits
from broker.secret import Secret
from broker.settings.kinds import SECONDS, Kind, count
from broker.settings.table import Settings

_PREFIX = "BROKER_"
_SERVICE_LINK = re.compile(
    r"BROKER_(?:[A-Z0-9_]+_)?"
    r"(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT(?:_[0-9]+_(?:TCP|UDP|SCTP)(?:_[A-Z]+)?)?)"
)


def variable(field: str) -> str:
    """Return the name of the variable that sets a field."""
    return f"{_PREFIX}{field.upper()}"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting, by its field in ``Settings`` or ``Limits``; a secret also has ``NAME_FILE``.

    ``default`` is written as it would be in the environment.
    """

    field: str
    kind: Kind[Any]
    meaning: str
    default: str | None = None
    required: bool = False

    @property
    def name(self) -> str:
        """The name of its variable."""
        return variable(self.field)

    @property
    def secret(self) -> bool:
        """Whether it must not be shown."""
        return self.kind.secret

    def show(self, settings: Settings) -> object:
        """Return what a log line may hold of its value."""
        holder = settings if hasattr(Settings, self.field) else settings.limits
        value = getattr(holder, self.field)
        return None if value is None else self.kind.show(value)


def _declared() -> Iterator[Setting]:
    for one in dataclasses.fields(Settings):
        if one.metadata:
            yield Setting(one.name, **one.metadata)
    for one in dataclasses.fields(Limits):
        if one.metadata:
            kind: Kind[Any] = count() if one.type is int else SECONDS
            yield Setting(one.name, kind, default=f"{one.default:g}", **one.metadata)


CATALOGUE = tuple(_declared())
"""Every setting there is, in the order of the documentation."""
BY_NAME = {setting.name: setting for setting in CATALOGUE}
_FILES = {f"{setting.name}_FILE": setting.name for setting in CATALOGUE if setting.secret}
_SCHEMA: Schema = Schema.from_dict(
    {
        setting.field: fields.Function(
            deserialize=setting.kind.parse,
            data_key=name,
            required=setting.required,
            error_messages={"required": "is required"},
        )
        for name, setting in BY_NAME.items()
    }
)()


class InvalidSettingError(Exception):
    """A setting was looked at that has a problem of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialSettings(Settings):
    """Settings of which the fields in ``invalid`` have no value.

    Reading one raises InvalidSettingError; but invalid limits have their defaults.
    """

    invalid: Collection[str]

    if not TYPE_CHECKING:

        def __getattr__(self, field: str) -> NoReturn:
            raise InvalidSettingError(field)

    def complete(self) -> Settings:
        """Return the settings; nothing may be invalid."""
        return Settings(
            **{one.name: getattr(self, one.name) for one in dataclasses.fields(Settings)}
        )


def value_of(settings: Settings, field: str) -> object:
    """Return the value of a setting; ``InvalidSettingError`` itself in place of an invalid one."""
    try:
        return getattr(settings, field)
    except InvalidSettingError:
        return InvalidSettingError


def is_set(settings: Settings, field: str) -> bool:
    """Tell whether a setting is set, well or badly."""
    return value_of(settings, field) is not None


def read(environ: Mapping[str, str]) -> tuple[PartialSettings, list[str]]:
    """Return what ``environ`` says, and a sentence for each bad name, value or file of a secret.

    An empty variable counts as not set.
    """
    given = {name: text for name, text in environ.items() if name.startswith(_PREFIX)}
    problems = [_unknown(name) for name in sorted(given.keys() - BY_NAME.keys() - _FILES.keys())]
    texts = {name: text for name, text in given.items() if name in BY_NAME and text}
    files = {_FILES[name]: Path(path) for name, path in given.items() if name in _FILES and path}
    invalid = set()
    for name, path in sorted(files.items()):
        try:
            texts[name] = _text(name, path, texts.pop(name, None))
        except SettingsError as error:
            problems += error.problems
            invalid.add(BY_NAME[name].field)
    values, bad = _load(texts)
    for name, sentences in sorted(bad.items()):
        if BY_NAME[name].field not in invalid:
            problems += [f"{name} {sentence}" for sentence in sentences]
            invalid.add(BY_NAME[name].field)
    return _partial(values, files, frozenset(invalid)), problems


def read_secret(field: str, path: Path) -> Secret:
    """Return the secret in a file; raises SettingsError, which does not repeat the path."""
    name = variable(field)
    text = _text(name, path)
    try:
        secret: Secret = BY_NAME[name].kind.parse(text)
    except ValidationError as error:
        raise SettingsError([f"{name} {sentence}" for sentence in error.messages]) from None
    return secret


def _text(name: str, path: Path, beside: str | None = None) -> str:
    """Return the text in the file of a secret, without one newline at its end."""
    if beside is not None:
        raise SettingsError([f"{name} and {name}_FILE are both set; set one of them"])
    try:
        text = read_text(path)
    except UnreadableError as error:
        raise SettingsError([f"{name}_FILE names a file that {error}"]) from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise SettingsError([f"{name}_FILE names an empty file"])
    return text


def _load(texts: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, list[str]]]:
    try:
        return _SCHEMA.load(texts), {}
    except ValidationError as error:
        return dict(error.valid_data or {}), error.messages_dict


def _partial(
    values: dict[str, Any], files: Mapping[str, Path], invalid: Collection[str]
) -> PartialSettings:
    limits = {field: values.pop(field) for field in list(values) if hasattr(Limits, field)}
    own: dict[str, Any] = dict.fromkeys(invalid & Settings.__dataclass_fields__.keys()) | values
    found = PartialSettings(**own, limits=Limits(**limits), secret_files=files, invalid=invalid)
    for field in own.keys() & invalid:
        object.__delattr__(found, field)
    return found


def _unknown(name: str) -> str:
    if _SERVICE_LINK.fullmatch(name):
        return (
            f"{name} is not a setting; Kubernetes sets such names for a Service called broker "
            "unless the pod has enableServiceLinks: false"
        )
    endings = [other.removeprefix(_PREFIX) for other in (*BY_NAME, *_FILES)]
    close = get_close_matches(name.removeprefix(_PREFIX), endings, n=1)
    return f"{name} is not a setting" + (f"; did you mean {_PREFIX}{close[0]}?" if close else "")
