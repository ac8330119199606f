"""Takes live secrets out of a text: the second line of defence behind ``broker.secret.Secret``.

A secret is found as it is, percent-encoded, in base64 (either alphabet, also in the middle of
something longer), escaped for JSON or Python, in hexadecimal, and in any mixture of upper and lower
case. Of a URL only its password is secret, of a JWT also the payload or the signature alone.
"""

import base64
import json
import os
import re
import threading
from collections.abc import Iterator
from urllib.parse import quote, quote_plus, unquote

from broker.form_index import START, FormIndex
from broker.secret import SHOWN, latest_birth, live_secrets

SHORTEST = START
"""Secrets of fewer characters are not looked for: they would be found in too many words."""

_JWT = re.compile(r"[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
_URL = re.compile(r"[a-z][a-z+]*://(?:[^/?#]*?:(?P<password>[^/?#]*)@)?[^?]*(?:\?(?P<query>.*))?")
_OPTION = re.compile(r"(?:^|&)[a-z_]*password=([^&]*)")
_MARK = SHOWN.encode()


class Redactor:
    """Replaces the secrets that live at that moment by ``<secret>``; safe on several threads.

    Makes its index anew only where secrets were made since the last time, and then only for the
    difference; one that has died meanwhile may be replaced as well.
    """

    def __init__(self) -> None:
        self._index = _Index()
        self._lock = threading.RLock()
        os.register_at_fork(after_in_child=self._unlock)

    def redact(self, text: str) -> str:
        """Return ``text`` without any live secret of :data:`SHORTEST` characters or more."""
        raw = text.encode(errors="surrogatepass")
        with self._lock:
            self._index.update()
            spans = self._index.find(raw.lower())
        return _cut(raw, spans).decode(errors="surrogatepass") if spans else text

    def _unlock(self) -> None:
        """Let go of what another thread held when this process was forked."""
        self._lock = threading.RLock()


class _Index:
    """The forms of all live secrets, in lower case."""

    def __init__(self) -> None:
        self._seen = 0
        self._known: set[str] = set()
        self._forms = FormIndex()

    def update(self) -> None:
        """Take up what was born since the last time, and forget what died."""
        birth = latest_birth()
        if birth == self._seen:
            return
        alive = live_secrets()
        self._forms.remove(_forms_of(self._known - alive))
        self._known &= alive
        born = alive - self._known
        self._forms.add(_forms_of(born))
        self._known |= born
        self._seen = birth

    def find(self, text: bytes) -> list[tuple[int, int]]:
        """Return start and end of every place where a form stands, by their starts."""
        return self._forms.find(text)


def _cut(text: bytes, spans: list[tuple[int, int]]) -> bytes:
    """Return ``text`` with a mark in place of each stretch that the spans cover together."""
    kept: list[bytes] = []
    reached = 0
    for start, end in spans:
        if start > reached or not kept:
            kept += [text[reached:start], _MARK]
        reached = max(reached, end)
    return b"".join([*kept, text[reached:]])


def _forms_of(secrets: set[str]) -> Iterator[bytes]:
    """Yield the forms of all; a form of several as often."""
    for secret in secrets:
        yield from set(_forms(secret))


def _forms(secret: str) -> Iterator[bytes]:
    """Yield each form of a secret in lower case."""
    for part in _parts(secret):
        if len(part) >= SHORTEST:
            escaped = {part, *_percent(part), *_escaped(part)}
            escaped |= {again for form in escaped for again in _escaped(form)}
            yield from (form.encode(errors="surrogatepass").lower() for form in escaped)
            yield from (form.lower() for form in _coded(part))
    if _JWT.fullmatch(secret):
        yield secret.encode().lower()


def _parts(secret: str) -> Iterator[str]:
    """Yield what is secret in it. Base64 of a whole JWT is found by that of its parts."""
    if jwt := _JWT.fullmatch(secret):
        yield from jwt.groups()
    elif url := _URL.fullmatch(secret):
        passwords = [url["password"] or "", *_OPTION.findall(url["query"] or "")]
        yield from (each for one in passwords for each in (one, unquote(one)))
    else:
        yield secret


def _percent(text: str) -> Iterator[str]:
    known = text.encode(errors="surrogatepass")
    yield quote(known, safe="")
    yield quote(known)
    yield quote_plus(known)


def _escaped(text: str) -> Iterator[str]:
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield repr(text)[1:-1]
    yield repr(text.encode(errors="surrogatepass"))[2:-1]


def _coded(text: str) -> Iterator[bytes]:
    """Yield it in hexadecimal and in base64, there without what depends on its neighbours."""
    plain = text.encode(errors="surrogatepass")
    yield plain.hex().encode()
    for before in range(3):
        bits = 8 * before, 8 * (before + len(plain))
        coded = base64.b64encode(bytes(before) + plain)
        inner = coded[-(-bits[0] // 6) : bits[1] // 6]
        yield inner
        yield inner.translate(bytes.maketrans(b"+/", b"-_"))
