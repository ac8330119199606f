"""What may stand between Canvas and its callers, and changes answers without changing tokens."""

import gzip
import socket
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from enum import StrEnum
from http import HTTPStatus

from flask import Response

_TAKEN_FOR_NO = frozenset({"no-cache", "no-store"})


class Encoding(StrEnum):
    """How the body of an answer is encoded, although nobody asked for it."""

    GZIP = "gzip"
    DEFLATE = "deflate"
    """As it is defined: in the format of zlib."""
    RAW_DEFLATE = "raw_deflate"
    """As some servers took it to be: without that format."""
    UNKNOWN = "unknown"
    """One that nobody knows."""


def _raw(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


_ENCODERS: Mapping[Encoding, tuple[str, Callable[[bytes], bytes]]] = {
    Encoding.GZIP: ("gzip", gzip.compress),
    Encoding.DEFLATE: ("deflate", zlib.compress),
    Encoding.RAW_DEFLATE: ("deflate", _raw),
    Encoding.UNKNOWN: ("x-unknown", bytes),
}


def encode(answer: Response, encoding: Encoding) -> None:
    """Encode the body of ``answer``, and say so."""
    name, encoder = _ENCODERS[encoding]
    answer.set_data(encoder(answer.get_data()))
    answer.headers["Content-Encoding"] = name


def add_headers(answer: Response, count: int) -> None:
    """Add ``count`` headers that mean nothing."""
    for number in range(count):
        answer.headers[f"X-Edge-{number}"] = "0123456789abcdef"


def send_interim(connection: socket.socket | None, status: int) -> None:
    """Send an interim answer before the one to come, where there is a real connection."""
    if connection is not None:
        phrase = HTTPStatus(status).phrase
        connection.sendall(f"HTTP/1.1 {status} {phrase}\r\nLink: </>\r\n\r\n".encode())


@dataclass(frozen=True, slots=True)
class Stored:
    """An answer in the cache: what Canvas said, and when by the clock that it shows."""

    document: dict[str, str]
    date: float

    def mark(self, answer: Response, now: float, *, tells_age: bool) -> None:
        """Let ``answer`` be this one, given again at ``now``."""
        answer.headers["Date"] = formatdate(self.date, usegmt=True)
        if tells_age:
            answer.headers["Age"] = str(int(now - self.date))


class Cache:
    """Keeps the last answer to each Consumer's Authenticate."""

    def __init__(self) -> None:
        self._stored: dict[str, Stored] = {}

    def put(self, consumer: str, stored: Stored) -> None:
        """Keep an answer in place of the one before."""
        self._stored[consumer] = stored

    def find(self, consumer: str, now: float, seconds: float) -> Stored | None:
        """Return the answer that is kept, if it is not older than ``seconds``."""
        stored = self._stored.get(consumer)
        return stored if stored and now - stored.date < seconds else None

    def clear(self) -> None:
        """Forget all."""
        self._stored = {}


def passes_over(cache_control: str) -> bool:
    """Tell whether a request's ``Cache-Control`` asks for an answer of Canvas itself."""
    return any(word.strip().lower() in _TAKEN_FOR_NO for word in cache_control.split(","))
