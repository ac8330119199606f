"""Reading a small text file, and a cheap way to see that it changed."""

import os
import stat
from pathlib import Path

LIMIT = 1 << 20
"""Longest file that is read, in bytes, unless its reader says otherwise."""

Signature = tuple[int, int, int, int, int]
_SHOWN_LENGTH = 80


class UnreadableError(Exception):
    """A file could not be read; the message says why and holds nothing of its content."""


def read_text(path: Path, limit: int = LIMIT) -> str:
    """Return the text of ``path``; raise :class:`UnreadableError` if it has none to give.

    A byte order mark at its beginning, which some editors write, is dropped.
    """
    found = _read(path, limit)
    if isinstance(found, UnreadableError):
        raise found
    return found


def _read(path: Path, limit: int) -> str | UnreadableError:
    """Return the error instead of raising it: its traceback would hold the content."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return UnreadableError("is not a file")
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except FileNotFoundError:
        return UnreadableError("does not exist")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no such name is possible"
        return UnreadableError(f"cannot be read ({reason})")
    if len(content) > limit:
        return UnreadableError(f"is longer than {limit} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return UnreadableError("is not UTF-8 text")


def signature(path: str | Path) -> Signature | None:
    """Return what changes when the file or folder at ``path`` does; None if it cannot be seen.

    Links are followed: one that leads elsewhere shows another inode. The time of the last status
    change tells of mended permissions and of a rewrite that kept the modification time.
    """
    try:
        seen = os.stat(path)  # noqa: PTH116  # a third of the time of Path.stat, and called often
    except (OSError, ValueError):
        return None
    return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns


def shown(name: str) -> str:
    """Return a name found in a file or folder so that it fits a log line."""
    return repr(name if len(name) <= _SHOWN_LENGTH else f"{name[:_SHOWN_LENGTH]}…")
