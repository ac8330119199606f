"""The body of ``/health``, laid out for people; whatever is missing in it is shown as ``-``."""

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeGuard

from broker.cli.paint import paint, plain

MISSING = "-"
_COLOURS = {"pass": "green", "warn": "yellow", "fail": "red"}
_STATES = {"fresh": "green", "stale": "green", "critical": "yellow", "empty": "red"}
_GAP = "  "
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_NARROWEST_SENTENCE = 30
_HEADINGS = ("", "organization", "state", "expires", "refresh", "renewed", "next try")
_PARTS = {
    "redis:connection": "Redis",
    "upstream:connection": "Canvas",
    "files": "files",
    "workers": "worker",
}
Entry = Mapping[str, Any]
Paint = Callable[[str, str | None], str]


def page(body: Entry, address: str, width: int, *, colours: bool) -> list[str]:
    """Return the lines for ``body``, of at most ``width`` columns where a terminal allows it."""

    def painted(text: str, colour: str | None) -> str:
        return paint(text, colour, on=colours) if colour else text

    lines = [_heading(body, address, painted), ""]
    checks = body.get("checks")
    checks = checks if isinstance(checks, Mapping) else {}
    organizations = list(_entries(checks, "organization:token"))
    lines += _organizations(organizations, width, painted)
    lines += [*_counts(body.get("organizations"), len(organizations)), ""]
    for key, name in _PARTS.items():
        for entry in _entries(checks, key):
            lines += _part(name, entry, width, painted)
    return lines


def minutes(seconds: object) -> str:
    """Return a duration as ``m:ss``."""
    return _clock(seconds, _MINUTE, 1)


def hours(seconds: object) -> str:
    """Return a duration as ``h:mm``."""
    return _clock(seconds, _HOUR, _MINUTE)


def about(seconds: object) -> str:
    """Return a duration in its largest unit of which there are at least two."""
    if not _is_number(seconds):
        return MISSING
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= 2 * unit:
            return f"{int(seconds // unit)} {name}"
    return f"{int(seconds)} s"


def _clock(seconds: object, large: int, small: int) -> str:
    if not _is_number(seconds):
        return MISSING
    if seconds <= 0:
        return "over"
    whole, rest = divmod(int(seconds), large)
    return f"{whole}:{rest // small:02}"


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _heading(body: Entry, address: str, painted: Paint) -> str:
    word = _text(body, "status")
    name = f"{_text(body, 'serviceId')} {_text(body, 'version')}"
    return f"{painted(word.upper(), _COLOURS.get(word))}{_GAP}{name}{_GAP}{plain(address)}"


def _organizations(entries: Sequence[Entry], width: int, painted: Paint) -> Iterator[str]:
    if not entries:
        yield "No organization is configured."
        return
    rows = [_row(entry) for entry in entries]
    widths = [max(map(len, column)) for column in zip(_HEADINGS, *rows, strict=True)]
    used = sum(widths) + len(_GAP) * len(widths)
    if used > width:
        for entry, row in zip(entries, rows, strict=True):
            yield from _block(entry, row, width, painted)
        return
    yield _line(_HEADINGS, widths).rstrip()
    for entry, row in zip(entries, rows, strict=True):
        line = _line(row, widths, painted)
        yield from _with_sentence(line, used, _sentence(entry), width)


def _counts(told: object, shown: int) -> Iterator[str]:
    """Yield a line about those that are not shown."""
    if isinstance(told, Mapping) and told.get("total", shown) != shown:
        by_status = told.get("status")
        words = by_status.items() if isinstance(by_status, Mapping) else ()
        numbers = ", ".join(f"{number} {plain(word)}" for word, number in words)
        pages = f"page {told.get('page')} of {told.get('pages')}"
        yield f"{shown} of {told['total']} organizations ({numbers}), worst first: {pages}."


def _row(entry: Entry) -> tuple[str, ...]:
    unused = " (unused)" if entry.get("in_use") is False else ""
    renewed, attempt = (
        about(entry.get(name)) for name in ("last_refresh_seconds_ago", "next_attempt_in")
    )
    return (
        _text(entry, "status"),
        _text(entry, "componentId"),
        f"{_text(entry, 'state')}{unused}",
        minutes(entry.get("expires_in")),
        hours(entry.get("refresh_expires_in")),
        renewed if renewed == MISSING else f"{renewed} ago",
        attempt if attempt == MISSING else f"in {attempt}",
    )


def _line(cells: Sequence[str], widths: Sequence[int], painted: Paint | None = None) -> str:
    padded = [f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True)]
    if painted:
        padded[0] = painted(padded[0], _COLOURS.get(cells[0]))
        padded[2] = painted(padded[2], _STATES.get(cells[2]))
    return "".join(cell + _GAP for cell in padded)


def _with_sentence(line: str, used: int, sentence: str, width: int) -> Iterator[str]:
    """Put the sentence behind the line if there is room for it, else below."""
    if len(sentence) <= width - used:
        yield f"{line}{sentence}".rstrip()
        return
    yield line.rstrip()
    yield from _wrapped(sentence, width)


def _wrapped(sentence: str, width: int) -> list[str]:
    room = max(width - 2 * len(_GAP), _NARROWEST_SENTENCE)
    return [f"{_GAP}{_GAP}{line}" for line in textwrap.wrap(sentence, room)]


def _block(entry: Entry, row: Sequence[str], width: int, painted: Paint) -> Iterator[str]:
    """Yield one organization below the other, where no table has room."""
    word, name, state, *rest = row
    yield f"{painted(word, _COLOURS.get(word))} {name}: {painted(state, _STATES.get(state))}"
    for heading, cell in zip(_HEADINGS[3:], rest, strict=True):
        yield f"{_GAP}{_GAP}{heading} {cell}"
    yield from _wrapped(_sentence(entry), width)


def _part(name: str, entry: Entry, width: int, painted: Paint) -> Iterator[str]:
    word, component = _text(entry, "status"), _text(entry, "componentId")
    title = name if component == MISSING else f"{name} {component}"
    ages = (("last_success_seconds_ago", "last answer"), ("last_reload_seconds_ago", "taken over"))
    told = [f"{what} {about(entry[key])} ago" for key, what in ages if _is_number(entry.get(key))]
    if _is_number(entry.get("uptime")):
        told.append(f"up {about(entry['uptime'])}")
    sentence = " ".join([_sentence(entry), *([f"({', '.join(told)})"] if told else [])])
    line = f"{painted(f'{word:4}', _COLOURS.get(word))}{_GAP}{title:20}{_GAP}"
    yield from _with_sentence(line, 4 + max(20, len(title)) + 2 * len(_GAP), sentence, width)


def _entries(checks: Entry, key: str) -> Iterator[Entry]:
    found = checks.get(key)
    if isinstance(found, list):
        yield from (entry for entry in found if isinstance(entry, Mapping))


def _text(entry: Entry, key: str) -> str:
    value = entry.get(key)
    return plain(value) if isinstance(value, str) and value else MISSING


def _sentence(entry: Entry) -> str:
    """Return the output, which was a list of sentences once."""
    found = entry.get("output")
    if isinstance(found, list):
        return plain(" ".join(str(each) for each in found))
    return plain(found) if found is not None else MISSING
