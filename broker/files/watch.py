"""Keeping a file's content in force until a better version of it appears."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from broker.errors import SettingsError
from broker.files.reading import signature

T = TypeVar("T")
ATTEMPTS = 3
"""How often files that change while they are read are read again, at most."""


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """What is in force after a look at the source, and what was wrong with what lies there."""

    value: T
    problems: tuple[str, ...] = ()


class Source(Protocol[T]):
    """Something that changes outside of this process. Its methods do not raise."""

    def signature(self) -> object:
        """Return, cheaply, a value that differs after a change."""
        ...

    def read(self, current: T) -> Reading[T]:
        """Read it all; a broken version leaves ``current``, or parts of it, in force."""
        ...


@dataclass(frozen=True, slots=True)
class Fixed(Generic[T]):
    """A source that never changes."""

    value: T

    def signature(self) -> object:
        """Return always the same."""
        return None

    def read(self, current: T) -> Reading[T]:
        """Return the one value."""
        del current
        return Reading(self.value)


@dataclass(frozen=True, slots=True)
class Polled:
    """What one look at a source found.

    ``reloaded``: a new or repaired version is in force. ``problems``: what was refused of it. Both
    when only parts were refused; neither when nothing changed.
    """

    reloaded: bool = False
    problems: tuple[str, ...] = ()


def read_settled(source: Callable[[], object], read: Callable[[], T]) -> T | None:
    """Return what ``read`` returns while ``source``, its signature, stays; None if it never does.

    A mounted Kubernetes Secret has its files swapped together: one may be old and the next new.
    """
    for _ in range(ATTEMPTS):
        before = source()
        found = read()
        if before == source():
            return found
    return None


@dataclass(frozen=True, slots=True)
class FilesSource(Generic[T]):
    """Files by the names that problems call them, taken together.

    ``make`` returns what they ask for where its argument is in force; it raises
    :class:`~broker.errors.SettingsError` for files that are of no use.
    """

    files: Mapping[str, Path]
    make: Callable[[T], T]

    def signature(self) -> object:
        """Return what changes when any of the files does."""
        return tuple(signature(path) for path in self.files.values())

    def read(self, current: T) -> Reading[T]:
        """Return what the files ask for; ``current`` if anything is wrong with them."""
        settled = read_settled(self.signature, partial(self._read_once, current))
        if settled is not None:
            return settled
        name = next(iter(self.files))
        return Reading(current, (f"{name} changed each of the {ATTEMPTS} times it was read",))

    def _read_once(self, current: T) -> Reading[T]:
        try:
            return Reading(self.make(current))
        except SettingsError as error:
            return Reading(current, error.problems)


class Watched(Generic[T]):
    """The content of a source that is in force. One thread polls, any thread reads ``current``.

    Begins with a first look: ``problems`` tells what was wrong with it, ``initial`` is in force
    where it was. The clock behind a file's times ticks in milliseconds, so a second write in the
    same tick can hide; each change is therefore read again at the next poll.
    """

    def __init__(self, source: Source[T], initial: T) -> None:
        self._source = source
        self._signature = source.signature()
        self._settled = False
        first = source.read(initial)
        self.current: T = first.value
        self.problems = first.problems

    def poll(self) -> Polled:
        """Look at the source and take what is good of a new version; tell what happened."""
        signature = self._source.signature()
        changed = signature != self._signature
        if self._settled and not changed:
            return Polled()
        self._signature, self._settled = signature, not changed
        return self._take(self._source.read(self.current), changed=changed)

    def _take(self, reading: Reading[T], *, changed: bool) -> Polled:
        repaired = bool(self.problems) and not reading.problems
        reloaded = repaired or reading.value != self.current
        news = changed or reading.problems != self.problems
        self.current, self.problems = reading.value, reading.problems
        return Polled(reloaded, reading.problems if news else ())
