"""Where the emulator's organizations come from: a folder, or made up."""

import os
import uuid
from pathlib import Path


class KeysError(ValueError):
    """The keys cannot be read; the sentence says what is missing."""


def make_up() -> tuple[str, str]:
    """Return a random Consumer and SecretKey of the right shape."""
    return os.urandom(32).hex(), str(uuid.uuid4())


def read_folder(folder: Path) -> dict[str, tuple[str, str]]:
    """Return Consumer and SecretKey by organization: one folder each, with two files.

    Names with a leading dot are skipped (a mounted Kubernetes Secret has some). Raises
    :class:`KeysError`.
    """
    try:
        found = sorted(one for one in folder.iterdir() if one.is_dir() and one.name[0] != ".")
        keys = {one.name: (_read(one / "consumer"), _read(one / "secret-key")) for one in found}
    except OSError as error:
        raise KeysError(f"cannot read {error.filename}: {error.strerror}") from None
    if not keys:
        raise KeysError(f"{folder} holds no folder of an organization")
    if len({consumer for consumer, _ in keys.values()}) < len(keys):
        raise KeysError(f"two organizations in {folder} have the same Consumer")
    return keys


def _read(file: Path) -> str:
    text = file.read_text(encoding="utf-8").strip()
    if not text:
        raise KeysError(f"{file} is empty")
    return text
