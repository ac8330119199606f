"""A compact index of byte strings that are looked for in texts: some 30 bytes for each.

Python's own containers would take two hundred. A string is kept as its length and two hashes, of
its first bytes and of all, seeded anew in each process: two strings that are taken for each other
are as good as impossible, and would only cost a text some characters.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import islice
from typing import TypeAlias

START = 8
"""Bytes of the shortest string that can be looked for."""
_CELLS_EACH = 2
_FEW = 8
_BATCH = 4096

_Row: TypeAlias = tuple[int, int, int]


class FormIndex:
    """The strings, ordered by the hash of their first bytes; the same one may be in it twice."""

    def __init__(self) -> None:
        self._starts, self._lengths, self._hashes = array("q"), array("I"), array("q")
        self._sieve = bytearray(1)
        self._removed = 0

    def __len__(self) -> int:
        return len(self._starts)

    def add(self, forms: Iterable[bytes]) -> None:
        """Take up strings of :data:`START` bytes or more."""
        rows = map(_row, forms)
        while batch := list(islice(rows, _BATCH)):
            self._add(batch)

    def _add(self, rows: "list[_Row]") -> None:
        if len(rows) * _FEW > len(self) or (len(self) + len(rows)) * _CELLS_EACH > len(self._sieve):
            self._rebuild(rows)
            return
        for start, length, whole in rows:
            place = bisect_left(self._starts, start)
            self._starts.insert(place, start)
            self._lengths.insert(place, length)
            self._hashes.insert(place, whole)
            self._sieve[start & (len(self._sieve) - 1)] = 1

    def remove(self, forms: Iterable[bytes]) -> None:
        """Forget strings that are in it, each once."""
        for form in forms:
            start, length, whole = _row(form)
            for place in self._places(start):
                if (self._lengths[place], self._hashes[place]) == (length, whole):
                    del self._starts[place], self._lengths[place], self._hashes[place]
                    self._removed += 1
                    break
        if self._removed > len(self):
            self._rebuild([])

    def find(self, text: bytes) -> list[tuple[int, int]]:
        """Return start and end of every place of ``text`` where a string stands, by their starts.

        Most places of most texts are passed over by a look at one cell of the sieve.
        """
        sieve, mask = self._sieve, len(self._sieve) - 1
        return [
            (place, end)
            for place in range(len(text) - START + 1)
            if sieve[(start := hash(text[place : place + START])) & mask]
            for end in self._ends(text, place, start)
        ]

    def _ends(self, text: bytes, place: int, start: int) -> Iterator[int]:
        for found in self._places(start):
            end = place + self._lengths[found]
            if end <= len(text) and hash(text[place:end]) == self._hashes[found]:
                yield end

    def _places(self, start: int) -> Iterator[int]:
        place = bisect_left(self._starts, start)
        while place < len(self._starts) and self._starts[place] == start:
            yield place
            place += 1

    def _rebuild(self, new: "list[_Row]") -> None:
        size = 1 << ((len(self) + len(new)) * _CELLS_EACH * 2 - 1).bit_length()
        starts, lengths, hashes, sieve = array("q"), array("I"), array("q"), bytearray(size)
        # Row by row: all of them as tuples would be a hundred times what is kept, for a moment.
        for start, length, whole in merge(self._rows(), sorted(new)):
            starts.append(start)
            lengths.append(length)
            hashes.append(whole)
            sieve[start & (size - 1)] = 1
        self._starts, self._lengths, self._hashes, self._sieve = starts, lengths, hashes, sieve
        self._removed = 0

    def _rows(self) -> Iterator[_Row]:
        return zip(self._starts, self._lengths, self._hashes, strict=True)


def _row(form: bytes) -> _Row:
    return hash(form[:START]), len(form), hash(form)
