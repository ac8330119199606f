"""Requests as they go over the wire, and the little that a load must read of an answer."""

from base64 import b64encode
from dataclasses import dataclass

END = b"\r\n\r\n"
_LENGTH = b"content-length: "
_STATUS = slice(9, 12)
FORM = "grant_type=client_credentials"


@dataclass(frozen=True, slots=True)
class Asker:
    """A caller, its key, and the organization that it asks for where it names one."""

    name: str
    key: str
    organization: str


def get_token(asker: Asker, query: str = "") -> bytes:
    """Return a caller's ``GET /token``."""
    return _request("GET", f"/token?{query}" if query else "/token", f"Bearer {asker.key}")


def post_token(asker: Asker) -> bytes:
    """Return a caller's request to the OAuth 2.0 token endpoint, with HTTP Basic."""
    basic = b64encode(f"{asker.name}:{asker.key}".encode()).decode()
    return _request("POST", "/token", f"Basic {basic}", FORM)


def _request(method: str, path: str, authorization: str, form: str = "") -> bytes:
    headers = ["Host: broker", f"Authorization: {authorization}"]
    if form:
        headers += ["Content-Type: application/x-www-form-urlencoded"]
        headers += [f"Content-Length: {len(form)}"]
    lines = [f"{method} {path} HTTP/1.1", *headers, "", form]
    return "\r\n".join(lines).encode()


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
