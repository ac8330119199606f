"""prometheus-client's files of numbers, written by ordinary calls.

The library maps its files into memory. Where a file system is full, writing to a mapped page that
has no room yet ends the process by SIGBUS; an ordinary call says so. The format: the bytes in use
as an ``int`` and four bytes of nothing; then for each number the length of its key, the key padded
to a multiple of eight, the number and a time, both ``double``.
"""

import errno
import os
import struct
from collections.abc import Mapping
from pathlib import Path

_HEADER = struct.Struct("ii")
_NUMBER = struct.Struct("d")
_ALIGNED = 8


def content(numbers: Mapping[str, float]) -> bytes:
    """Return a whole file of numbers by their keys."""
    entries = b"".join(_entry(key, value) for key, value in numbers.items())
    return _HEADER.pack(_HEADER.size + len(entries), 0) + entries


def _entry(key: str, value: float) -> bytes:
    text = key.encode()
    padded = text + b" " * (_ALIGNED - (len(text) + 4) % _ALIGNED)
    return struct.pack(f"i{len(padded)}sdd", len(text), padded, value, 0.0)


class NumbersFile:
    """A file that one process adds to, made with the first number; not safe on several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._used = _HEADER.size
        self._places: dict[str, int] = {}

    def add(self, key: str, amount: float) -> None:
        """Add to the number of a key; raises ``OSError``, and has then added nothing."""
        descriptor = self._open()
        place = self._places.get(key)
        if place is not None:
            (number,) = _NUMBER.unpack(os.pread(descriptor, _NUMBER.size, place))
            _write(descriptor, _NUMBER.pack(number + amount), place)
            return
        entry = _entry(key, amount)
        _write(descriptor, entry, self._used)
        _write(descriptor, _HEADER.pack(self._used + len(entry), 0), 0)
        self._used += len(entry)
        self._places[key] = self._used - 2 * _NUMBER.size

    def _open(self) -> int:
        if self._descriptor is None:
            flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, 0o600)
        return self._descriptor

    def __del__(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)


def _write(descriptor: int, data: bytes, place: int) -> None:
    if os.pwrite(descriptor, data, place) < len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
