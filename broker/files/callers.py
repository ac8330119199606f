"""The callers file: TOML, one table ``[callers.<name>]`` for each caller."""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from marshmallow import ValidationError
from marshmallow.exceptions import SCHEMA

from broker.callers import CALLER_NAME, CALLER_NAME_RULE, Caller, Callers
from broker.files.caller_schema import CallerSchema
from broker.files.reading import UnreadableError, read_text, shown, signature
from broker.files.repeated import repeated
from broker.files.watch import Reading

SETTING = "BROKER_CALLERS_FILE"
_ROOT = "callers"
_PLACE = re.compile(r"\(at (line (?P<line>\d+), column \d+|end of document)\)$")


@dataclass(frozen=True, slots=True)
class CallersSource:
    """The callers file as something to watch: taken whole or not at all.

    ``service_accounts`` says whether service-account tokens are taken at all.
    """

    path: Path
    service_accounts: bool = True

    def signature(self) -> object:
        """Return what changes when the file does."""
        return signature(self.path)

    def read(self, current: Callers) -> Reading[Callers]:
        """Return the callers of the file; ``current`` if anything is wrong with it."""
        callers, problems = read_callers(self.path, service_accounts=self.service_accounts)
        return Reading(current if problems else callers, problems)


def read_callers(path: Path, *, service_accounts: bool = True) -> tuple[Callers, tuple[str, ...]]:
    """Return the good callers of the file, and a sentence for each problem.

    Without ``service_accounts`` a caller that names one is a problem: nobody would heed it.
    """
    try:
        text = read_text(path)
    except UnreadableError as error:
        return Callers(), (f"{SETTING} {error}",)
    callers, problems = parse_callers(text)
    if not service_accounts:
        problems = [*problems, *_unheeded(callers)]
    return callers, tuple(f"{SETTING}: {problem}" for problem in problems)


def parse_callers(text: str) -> tuple[Callers, list[str]]:
    """Return the good callers of a TOML text, and a sentence for each problem."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return Callers(), [_not_toml(text, _PLACE.search(str(error)))]
    except RecursionError:
        return Callers(), ["is nested too deeply"]
    tables = document.pop(_ROOT, {})
    problems = [f"{shown(name)} is not known{_meant(name, [_ROOT])}" for name in document]
    if not (isinstance(tables, dict) and tables):
        return Callers(), [*problems, "names no caller: a table [callers.<name>] for each"]
    found = [_parse_caller(name, table, problems) for name, table in tables.items()]
    callers = Callers(tuple(caller for caller in found if caller))
    return callers, [*problems, *callers.problems()]


def _not_toml(text: str, place: re.Match[str] | None) -> str:
    """Return what is wrong and where; the parser's own words could show a value."""
    if place is None:
        return "is not TOML"
    last = int(place["line"] or len(text.splitlines()))
    return repeated(text, last) or f"is not TOML (at {place[1]})"


def _unheeded(callers: Callers) -> Iterator[str]:
    for caller in callers.callers:
        if caller.service_account is not None:
            yield f"{_ROOT}.{caller.name}.service_account needs BROKER_KUBERNETES_AUDIENCE"


def _parse_caller(name: str, table: object, problems: list[str]) -> Caller | None:
    if not CALLER_NAME.fullmatch(name):
        problems.append(f"{shown(name)} is no name for a caller: {CALLER_NAME_RULE}")
        return None
    if not isinstance(table, dict):
        problems.append(f"{_ROOT}.{name} must be a table")
        return None
    try:
        return Caller(name=name, **CallerSchema().load(table))
    except ValidationError as error:
        problems.extend(_sentences(name, error.messages_dict))
        return None


def _sentences(name: str, messages: Mapping[str, list[str]]) -> Iterator[str]:
    known = CallerSchema().fields
    for key in sorted(messages):
        if key == SCHEMA:
            yield from (f"{_ROOT}.{name} {message}" for message in messages[key])
        elif key in known:
            yield from (f"{_ROOT}.{name}.{key} {message}" for message in messages[key])
        else:
            yield f"{_ROOT}.{name}: {shown(key)} is not known{_meant(key, known)}"


def _meant(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""
