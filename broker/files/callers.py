"""The callers: a TOML file with one table ``[callers.<name>]`` for each, or a folder of such files.

A folder holds more than one ConfigMap or Secret of Kubernetes can, and only those of its files that
say something else than before are parsed again.
"""

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from marshmallow import ValidationError
from marshmallow.exceptions import SCHEMA

from broker.callers import CALLER_NAME, CALLER_NAME_RULE, Caller, Callers
from broker.files.caller_schema import CallerSchema
from broker.files.reading import UnreadableError, read_text, shown, signature
from broker.files.repeated import repeated
from broker.files.watch import ATTEMPTS, Reading, read_settled

SETTING = "BROKER_CALLERS_FILE"
LIMIT = 16 << 20
"""Most bytes of the file, or of the files of a folder: some 125,000 callers of an organization."""
_ROOT = "callers"
_PLACE = re.compile(r"\(at (line (?P<line>\d+), column \d+|end of document)\)$")
_SCHEMA = CallerSchema()


class _File(NamedTuple):
    """What a file says: the digest of its text, its good callers, and a sentence per problem."""

    digest: bytes
    callers: tuple[Caller, ...]
    problems: tuple[str, ...]


class CallersSource:
    """The callers file or folder as something to watch: taken whole or not at all.

    ``service_accounts`` says whether service-account tokens are taken at all: without, a caller
    that names one is a problem, for nobody would heed it.
    """

    def __init__(self, path: Path, *, service_accounts: bool = True) -> None:
        self._path = path
        self._service_accounts = service_accounts
        self._files: dict[str, _File] = {}
        self._loaded: tuple[Callers, tuple[str, ...]] = Callers(), ()

    def signature(self) -> object:
        """Return what changes when the file, or any file of the folder, does."""
        return [(where, signature(path)) for where, path in self._paths()]

    def read(self, current: Callers) -> Reading[Callers]:
        """Return the callers; ``current`` if anything is wrong with them."""
        callers, problems = self.load()
        return Reading(current if problems else callers, problems)

    def load(self) -> tuple[Callers, tuple[str, ...]]:
        """Return the good callers, and a sentence for each problem.

        They are the same objects as before while the files say the same.
        """
        files = read_settled(self.signature, self._parse)
        if files is None:
            return Callers(), (f"{SETTING} changed each of the {ATTEMPTS} times it was read",)
        if files != self._files:
            self._files, self._loaded = files, self._join(files)
        return self._loaded

    def _paths(self) -> list[tuple[str, Path]]:
        """Return the files, each with how a problem names it."""
        found = files_of(self._path)
        if found == [self._path]:
            return [(SETTING, self._path)]
        return [(f"{SETTING}: {shown(one.name)}", one) for one in found]

    def _parse(self) -> dict[str, _File]:
        paths = self._paths()
        if not paths:
            return {SETTING: _refused(f"{SETTING} is a folder without *.toml files")}
        sizes = [seen[2] for _, path in paths if (seen := signature(path))]
        if len(paths) > 1 and sum(sizes) > LIMIT:
            return {SETTING: _refused(f"{SETTING}: its files are longer than {LIMIT} bytes")}
        return {where: self._parse_file(where, path) for where, path in paths}

    def _parse_file(self, where: str, path: Path) -> _File:
        try:
            text = read_text(path, LIMIT)
        except UnreadableError as error:
            return _refused(f"{where} {error}")
        digest, known = blake2b(text.encode()).digest(), self._files.get(where)
        if known is not None and known.digest == digest:
            return known
        callers, problems = parse_callers(text)
        return _File(digest, callers.callers, tuple(f"{where}: {one}" for one in problems))

    def _join(self, files: Mapping[str, _File]) -> tuple[Callers, tuple[str, ...]]:
        callers = Callers(tuple(caller for file in files.values() for caller in file.callers))
        problems = [problem for file in files.values() for problem in file.problems]
        if not problems:  # else two callers that share something may be told of already
            problems += (f"{SETTING}: {one}" for one in (*_twice(files), *callers.problems()))
        if not self._service_accounts:
            problems += (f"{SETTING}: {one}" for one in _unheeded(callers))
        return callers, tuple(problems)


def files_of(path: Path) -> list[Path]:
    """Return the callers files: ``path`` itself, or those of the folder that it is."""
    if not os.path.isdir(path):  # noqa: PTH112  # that of Path raises where it may not look
        return [path]
    return sorted(one for one in path.glob("*.toml") if not one.name.startswith("."))


def read_callers(path: Path, *, service_accounts: bool = True) -> tuple[Callers, tuple[str, ...]]:
    """Return the good callers of the file or folder, and a sentence for each problem."""
    return CallersSource(path, service_accounts=service_accounts).load()


def _refused(problem: str) -> _File:
    return _File(b"", (), (problem,))


def _twice(files: Mapping[str, _File]) -> Iterator[str]:
    owners: dict[str, str] = {}
    for where, file in files.items():
        for caller in file.callers:
            if (first := owners.setdefault(caller.name, where)) != where:
                names = " and ".join(one.removeprefix(f"{SETTING}: ") for one in (first, where))
                yield f"{_ROOT}.{caller.name} is in {names}"


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
    # Each table is let go as its caller is made: those of 50,000 are 50 MB.
    found = [_parse_caller(name, tables.pop(name), problems) for name in list(tables)]
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
        return Caller(name=name, **_SCHEMA.load(table))
    except ValidationError as error:
        problems.extend(_sentences(name, error.messages_dict))
        return None


def _sentences(name: str, messages: Mapping[str, list[str]]) -> Iterator[str]:
    known = _SCHEMA.fields
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
