"""What a TOML text says twice, in a sentence: the parser tells of it in words of its own."""

import re
from collections.abc import Iterator

from broker.files.reading import shown

_TABLE = re.compile(r"\s*\[\s*(?P<name>[^\[\]#=]+?)\s*\]\s*(?:#.*)?")
_KEY = re.compile(r"\s*(?P<name>[A-Za-z0-9_.\"' -]+?)\s*=")


def repeated(text: str, last: int) -> str | None:
    """Return what is named for the second time at or before line ``last``, where parsing ended.

    None if that is nothing: then something else is wrong there. No value is shown.
    """
    named = list(_named(text.splitlines()[:last]))
    if not named:
        return None
    path, line, table = named[-1]
    first = next((earlier for other, earlier, _ in named[:-1] if other == path), None)
    if first is None:
        return None
    what = f"declares the table {shown(path)}" if table else f"sets {shown(path)}"
    return f"{what} twice (lines {first} and {line})"


def _named(lines: list[str]) -> Iterator[tuple[str, int, bool]]:
    """Yield the full name of each table and key, its line, and whether it is a table."""
    within = ""
    for number, line in enumerate(lines, start=1):
        if table := _TABLE.fullmatch(line):
            within = _plain(table["name"])
            yield within, number, True
        elif key := _KEY.match(line):
            yield f"{within}.{_plain(key['name'])}".removeprefix("."), number, False


def _plain(name: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in name.split("."))
