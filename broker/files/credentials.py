"""The credentials folder: one folder per organization with the files consumer and secret-key.

It may be a mounted Kubernetes Secret or projected volume, whose files are symlinks through
``..data``; Kubernetes swaps that one link, so a reader may see the old version of one file and the
new one of the next. Each organization is therefore read until nothing moved meanwhile.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from broker.credentials import ORGANIZATION, ORGANIZATION_RULE, Credentials, name_writing
from broker.files.reading import Signature, UnreadableError, read_text, shown, signature
from broker.files.watch import ATTEMPTS, Reading, read_settled
from broker.secret import Secret

SETTING = "BROKER_CREDENTIALS_DIR"
CONSUMER_FILE = "consumer"
SECRET_KEY_FILE = "secret-key"  # noqa: S105 - the name of a file
_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class CredentialsFolder:
    """What the folder holds: the good organizations, a sentence per problem, who has one.

    ``lost`` says that the folder itself cannot be read or holds nobody: it then says nothing about
    which organizations exist.
    """

    organizations: Mapping[str, Credentials]
    problems: tuple[str, ...] = ()
    broken: frozenset[str] = frozenset()
    lost: bool = False

    def over(self, current: Mapping[str, Credentials]) -> Mapping[str, Credentials]:
        """Return what is in force when ``current`` was: who is broken keeps the old credentials."""
        if self.lost:
            return current
        kept = {name: current[name] for name in self.broken if name in current}
        return {**kept, **self.organizations}


@dataclass(frozen=True, slots=True)
class CredentialsSource:
    """The credentials folder as something to watch."""

    directory: Path

    def signature(self) -> object:
        """Return what changes when any organization's files do: three ``stat`` for each.

        It is a digest: all the times themselves would be a kilobyte for each organization.
        """
        try:
            names = sorted(os.listdir(self.directory))  # noqa: PTH208  # names alone are cheaper
        except OSError:
            return None
        root, seen = f"{self.directory}/", hashlib.blake2b(digest_size=_DIGEST_BYTES)
        for name in names:
            if not name.startswith("."):
                seen.update(repr((name, _look(root + name))).encode(errors="surrogatepass"))
        return seen.digest()

    def read(self, current: Mapping[str, Credentials]) -> Reading[Mapping[str, Credentials]]:
        """Return the credentials in force after a look at the folder, and its problems.

        Where the files say the same, and are not written anew, they are the very objects.
        """
        folder = read_credentials(self.directory, current)
        found = folder.over(current)
        same = found.keys() == current.keys() and all(found[one] is current[one] for one in found)
        return Reading(current if same else found, folder.problems)


def read_credentials(
    directory: Path, current: Mapping[str, Credentials] | None = None
) -> CredentialsFolder:
    """Read all organizations of ``directory``; no problem names a value.

    Of ``current`` each that is as it lies there is taken over.
    """
    try:
        folders = _folders(directory)
    except OSError as error:
        reason = error.strerror or "unknown reason"
        return CredentialsFolder({}, (f"{SETTING} cannot be read ({reason})",), lost=True)
    if not folders:
        return CredentialsFolder({}, (f"{SETTING} holds no organization's folder",), lost=True)
    known = current or {}
    found = {folder.name: _read_folder(folder, known.get(folder.name)) for folder in folders}
    good = {name: read for name, read in found.items() if isinstance(read, Credentials)}
    bad = {name: read for name, read in found.items() if not isinstance(read, Credentials)}
    problems = tuple(f"{SETTING}: {problem}" for read in bad.values() for problem in read)
    return CredentialsFolder(good, problems, frozenset(bad))


def _folders(directory: Path) -> list[Path]:
    return sorted(entry for entry in directory.iterdir() if not entry.name.startswith("."))


def _look(folder: str) -> tuple[Signature | None, ...]:
    return signature(folder), *_signatures(folder)


def _signatures(folder: str | Path) -> tuple[Signature | None, Signature | None]:
    return signature(f"{folder}/{CONSUMER_FILE}"), signature(f"{folder}/{SECRET_KEY_FILE}")


def digest(signatures: Iterable[Signature | None]) -> str:
    """Return a short text that differs where files with these signatures were written anew.

    The time of the last status change does not count: older kubelets set group and mode of the
    files of a Secret anew each minute or so.
    """
    written = [one and one[:-1] for one in signatures]
    return hashlib.blake2b(repr(written).encode(), digest_size=_DIGEST_BYTES).hexdigest()


def _read_folder(folder: Path, known: Credentials | None) -> Credentials | list[str]:
    name = shown(folder.name)
    if not ORGANIZATION.fullmatch(folder.name):
        return [f"{name} is no name for an organization: {ORGANIZATION_RULE}"]
    try:
        if not folder.is_dir():
            return [f"{name} is not a folder; each organization has a folder of its own"]
    except OSError as error:
        return [f"{name} cannot be read ({error.strerror})"]
    return read_settled(partial(_signatures, folder), partial(_read_pair, folder, known)) or [
        f"{folder.name} changed each of the {ATTEMPTS} times it was read"
    ]


def _read_pair(folder: Path, known: Credentials | None) -> Credentials | list[str]:
    version = digest(_signatures(folder))
    texts, problems = [], []
    names = [f"{folder.name}/{CONSUMER_FILE}", f"{folder.name}/{SECRET_KEY_FILE}"]
    for name in names:
        try:
            texts.append(Secret(read_text(folder.parent / name).strip()))
        except UnreadableError as error:
            problems.append(f"{name} {error}")
    if problems:
        return problems
    consumer, secret_key = texts
    credentials = Credentials(consumer, secret_key, name_writing(version))
    if known is not None and (known, known.writing) == (credentials, credentials.writing):
        return known
    return credentials.problems(*names) or credentials
