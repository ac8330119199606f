"""Requests as they go over the wire, and the little that a load must read of an answer."""

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, replace

END = b"\r\n\r\n"
_LENGTH = b"content-length: "
_STATUS = slice(9, 12)
FORM = "grant_type=client_credentials"
_JAVA = (
    "GET /token HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nContent-Length: 0\r\n"
    "Host: broker\r\nHTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAAAAYABgAA\r\n"
    "Upgrade: h2c\r\nUser-Agent: Java-http-client/17.0.15\r\nAuthorization: Bearer {}\r\n\r\n"
)
"""What ``java.net.http`` of Java 17 was seen to send, to a plain address and as it comes."""


@dataclass(frozen=True, slots=True)
class Asker:
    """A caller, its key, the organization that it asks for, and its service account's token."""

    name: str
    key: str
    organization: str
    token: str = ""

    def by_account(self) -> "Asker":
        """Return the same caller with that token in place of its key."""
        return replace(self, key=self.token)


def get_token(asker: Asker, query: str = "", headers: Iterable[bytes] = ()) -> bytes:
    """Return a caller's ``GET /token``, with headers of its own if there are any."""
    target = f"/token?{query}" if query else "/token"
    lines = [*_head("GET", target, f"Bearer {asker.key}"), *headers, b"", b""]
    return b"\r\n".join(lines)


def java_get_token(asker: Asker) -> bytes:
    """Return the same as Java's HTTP client sends it."""
    return _JAVA.format(asker.key).encode()


def post_token(asker: Asker) -> bytes:
    """Return a caller's request to the OAuth 2.0 token endpoint, with HTTP Basic."""
    basic = b64encode(f"{asker.name}:{asker.key}".encode()).decode()
    form = ("Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(FORM)}")
    lines = [*_head("POST", "/token", f"Basic {basic}"), *map(str.encode, (*form, "", FORM))]
    return b"\r\n".join(lines)


def _head(method: str, target: str, authorization: str) -> list[bytes]:
    lines = (f"{method} {target} HTTP/1.1", "Host: broker", f"Authorization: {authorization}")
    return [line.encode() for line in lines]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a load reads: the status, whether the connection ends, and how long it all is."""

    status: str
    closes: bool
    size: int


def read(received: bytes) -> Answer | None:
    """Return the answer at the beginning of ``received``, or None while it is not whole.

    Raises ``ValueError`` for what is no HTTP/1.1 answer with a ``Content-Length``.
    """
    end = received.find(END)
    if end < 0:
        return None
    head = received[:end].lower()
    place = head.find(_LENGTH)
    if not head.startswith(b"http/1.1 ") or place < 0:
        raise ValueError("no HTTP/1.1 answer with a Content-Length")
    length = int(head[place + len(_LENGTH) :].split(b"\r\n", 1)[0])
    size = end + len(END) + length
    if len(received) < size:
        return None
    return Answer(head[_STATUS].decode(), b"\r\nconnection: close" in head, size)
