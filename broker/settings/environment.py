"""The ``BROKER_*`` variables of an environment, with secrets read from their ``_FILE``."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from broker.files.reading import UnreadableError, read_text
from broker.settings.schema import CATALOGUE, PREFIX

_FILE = "_FILE"
_NAMES = frozenset(setting.name for setting in CATALOGUE)
_SECRETS = frozenset(setting.name for setting in CATALOGUE if setting.secret)
_SERVICE_LINK = re.compile(
    r"BROKER_(?:[A-Z0-9_]+_)?"
    r"(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT(?:_[0-9]+_(?:TCP|UDP|SCTP)(?:_[A-Z]+)?)?)"
)


class SecretFileError(Exception):
    """The file of a secret is of no use; the message says why and nothing of it."""


@dataclass(slots=True)
class Variables:
    """The text of each setting that is set, what was wrong, and which settings that spoiled.

    ``files`` are those that a text was read from, by the setting's name.
    """

    texts: dict[str, str] = field(default_factory=dict, repr=False)
    files: dict[str, Path] = field(default_factory=dict, repr=False)
    problems: list[str] = field(default_factory=list)
    spoiled: set[str] = field(default_factory=set)


def read_variables(environ: Mapping[str, str]) -> Variables:
    """Collect the settings of ``environ``. An empty variable counts as not set."""
    found = Variables()
    ours = {name: text for name, text in environ.items() if name.startswith(PREFIX)}
    files = {f"{name}{_FILE}" for name in _SECRETS}
    for name in sorted(ours.keys() - _NAMES - files):
        found.problems.append(_unknown(name, _NAMES | files))
    found.texts = {name: ours[name] for name in _NAMES if ours.get(name)}
    for name in sorted(_SECRETS):
        if path := ours.get(f"{name}{_FILE}"):
            _add_secret(name, Path(path), found)
    return found


def read_secret(name: str, path: Path) -> str:
    """Return the text in the file of the secret setting ``name``; raises SecretFileError.

    One newline at its end is dropped. The path is not told, it may be the secret by mistake.
    """
    try:
        text = read_text(path)
    except UnreadableError as error:
        raise SecretFileError(f"{name}{_FILE} names a file that {error}") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise SecretFileError(f"{name}{_FILE} names an empty file")
    return text


def _add_secret(name: str, path: Path, found: Variables) -> None:
    problem = f"{name} and {name}{_FILE} are both set; set one of them"
    if found.texts.pop(name, None) is None:
        try:
            found.texts[name], found.files[name] = read_secret(name, path), path
        except SecretFileError as error:
            problem = str(error)
        else:
            return
    found.problems.append(problem)
    found.spoiled.add(name)


def _unknown(name: str, known: Collection[str]) -> str:
    if _SERVICE_LINK.fullmatch(name):
        return (
            f"{name} is not a setting; Kubernetes sets such names for a Service called broker "
            "unless the pod has enableServiceLinks: false"
        )
    endings = [other.removeprefix(PREFIX) for other in known]
    close = get_close_matches(name.removeprefix(PREFIX), endings, n=1)
    return f"{name} is not a setting" + (f"; did you mean {PREFIX}{close[0]}?" if close else "")
