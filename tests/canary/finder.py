"""Looks for secrets in all that a run shows; knows nothing of how the broker redacts.

A secret is looked for in each usual disguise: as it is, percent-encoded, escaped for JSON or
Python, in hexadecimal, in base64 at each alignment, and all of that in any case.
"""

import base64
import json
import logging
import traceback
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

SHORTEST = 8


def disguises(secret: str) -> set[str]:
    """Return what a text may hold if it holds ``secret``, in lower case."""
    plain = secret.encode()
    found = {
        secret,
        quote(secret, safe=""),
        quote(secret),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        json.dumps(json.dumps(secret))[3:-3],
        repr(secret)[1:-1],
        repr(plain)[2:-1],
        plain.hex(),
    }
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        found |= {unmoved(plain, before, encode) for before in range(3)}
    return {one.lower() for one in found}


def unmoved(plain: bytes, before: int, encode: object) -> str:
    """Return the base64 of ``plain``, ``before`` bytes into a text, that no neighbour changes."""
    assert callable(encode)
    zeros = encode(b"\0" * before + plain + b"\0\0").decode()
    ones = encode(b"\xff" * before + plain + b"\xff\xff").decode()
    same = "".join(a if a == b else " " for a, b in zip(zeros, ones, strict=True))
    return max(same.replace("=", " ").split(), key=len)


def parts(secret: str) -> set[str]:
    """Return the secret and, of a signed token, its payload and its signature."""
    pieces = secret.split(".")
    return {secret, *pieces[1:]} if len(pieces) == 3 else {secret}


class Finder:
    """Knows the secrets of a run; more may be added while it goes on."""

    def __init__(self, *secrets: str) -> None:
        self._disguises: dict[str, set[str]] = {}
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Look for these as well."""
        for secret in secrets:
            for part in parts(secret):
                assert len(part) >= SHORTEST, "too short to be told from other text"
                self._disguises.setdefault(part, disguises(part))

    def leaks(self, text: str) -> list[str]:
        """Return each secret in ``text`` with a piece of what stands around it."""
        low = text.lower()
        return [
            f"{secret}: …{low[max(0, low.index(one) - 80) : low.index(one) + 120]}…"
            for secret, known in self._disguises.items()
            for one in known
            if one in low
        ]


def everything(error: BaseException) -> str:
    """Return all that a renderer could show of ``error``: locals, attributes and its past."""
    rendered = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "\n".join([*rendered.format(), repr(error), str(error), repr(vars(error))])


class Everything(logging.Handler):
    """Keeps all that the records hold, from every logger, without any redaction.

    ``errors`` are the exceptions that a test overheard elsewhere.
    """

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.lines: list[str] = []
        self.errors: list[Exception] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line, the record's attributes and its exception with locals."""
        self.lines += [self.format(record), repr(vars(record))]
        if record.exc_info and record.exc_info[1]:
            self.lines.append(everything(record.exc_info[1]))
