"""Who asks, behind proxies: what trusted ones say of their clients, and nothing else.

Each proxy adds the address that it was asked from at the end of a list. So the list is read from
its end, and only as far as the addresses in it are trusted proxies themselves: what a client wrote
stands before what the first trusted proxy added, and is not reached.
"""

import asyncio
import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any

from gunicorn.asgi.parser import ParseError, PythonProtocol

from broker.web.client import Receiver
from broker.web.connection import Connection
from broker.web.reading import Headers

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_PLAIN = b"PROXY "
_LONGEST_PLAIN = 107
_HEAD = 16
_PAIR = re.compile(r'(?:^|;)\s*([^=;"]*?)\s*=\s*("[^"]*"|[^";]*)')
_LISTS = (b"forwarded", b"x-forwarded-for")


class Proxies:
    """Tells who is a trusted proxy, by its network, and whom it speaks for."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = [ip_network(one) for one in networks]
        self.trusts = lru_cache(maxsize=1024)(self._trusts)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def client_of(self, peer: str, headers: Headers) -> str:
        """Return the address that a request came from.

        It is the one nearest to ``peer`` that is no trusted proxy. Two lists that do not agree tell
        nothing: one of them is the client's own.
        """
        if not self.trusts(peer):
            return peer
        found = {
            self._nearest(peer, _addresses(name, values))
            for name in _LISTS
            if (values := [value for each, value in headers if each == name])
        }
        return found.pop() if len(found) == 1 else peer

    def client_in(self, peer: str, head: bytes) -> str:
        """Return the same of a head as it came; it is one that the parser would take."""
        if not self.trusts(peer):
            return peer
        lines = [line.partition(b":") for line in head.split(b"\r\n")[1:-2]]
        return self.client_of(peer, [(name.lower(), value) for name, _, value in lines])

    def _trusts(self, address: str) -> bool:
        plain = _plain(address)
        return bool(plain) and any(ip_address(plain) in network for network in self._networks)

    def _nearest(self, peer: str, addresses: list[str]) -> str:
        nearest = peer
        for address in reversed(addresses):
            if not address or not self.trusts(nearest):
                break
            nearest = address
        return nearest


def _addresses(name: bytes, values: list[bytes]) -> list[str]:
    """Return the addresses of a list; empty for what is none, or is not told."""
    elements = b",".join(values).decode("latin-1").split(",")
    if name == b"forwarded":
        elements = [_for(element) for element in elements]
    return [_plain(element) for element in elements]


def _for(element: str) -> str:
    """Return the ``for`` of an element of ``Forwarded`` (RFC 7239 section 5.2)."""
    if element.count('"') % 2 or "\\" in element:  # a piece of a value, or what is no address
        return ""
    pairs: dict[str, str] = dict(_PAIR.findall(element.lower()))
    return pairs.get("for", "")


@lru_cache(maxsize=1024)
def _plain(text: str) -> str:
    """Return an address without quotes, brackets and port; empty for what is none."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


class Announced(Receiver):
    """What a trusted proxy says of its client before all else, by the PROXY protocol.

    It says it before TLS. ``connection`` learns of it; what follows is for ``inner``.
    """

    __slots__ = ("_connection", "_held", "_inner", "_transport")

    def __init__(self, connection: Connection, inner: Receiver) -> None:
        self._connection = connection
        self._inner = inner
        self._held = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = transport
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Take what has come, until it is known what it is."""
        self._held += data
        self._connection.begin_handshake()
        try:
            end = _end(self._held)
            if end is None:
                return
            if end:
                self._connection.remote = _announced(self._held[:end]) or self._connection.remote
        except ParseError as error:
            self._connection.fail(type(error).__name__)
            return
        self._connection.end_handshake()
        self._transport.set_protocol(self._inner)
        if rest := self._held[end:]:
            self._inner.data_received(rest)

    def eof_received(self) -> bool | None:
        """Note that nothing more comes."""
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell of it."""
        self._inner.connection_lost(exc)


def _end(data: bytes) -> int | None:
    """Return how many bytes announce a client, 0 if none do; None while that is open."""
    if data.startswith(_SIGNATURE):
        return _whole(data, _HEAD + int.from_bytes(data[14:_HEAD], "big"), least=_HEAD)
    if data.startswith(_PLAIN):
        end = data.find(b"\r\n")
        if end < 0 and len(data) > _LONGEST_PLAIN:
            raise ParseError
        return end + 2 if end >= 0 else None
    return None if _SIGNATURE.startswith(data) or _PLAIN.startswith(data) else 0


def _whole(data: bytes, length: int, *, least: int) -> int | None:
    return length if len(data) >= max(length, least) else None


def _announced(data: bytes) -> str:
    """Return the client's address; empty if the proxy speaks for itself. Raises ParseError."""
    parser: Any = PythonProtocol(proxy_protocol="auto")
    parser.feed(data)
    return _plain((parser.proxy_protocol_info or {}).get("client_addr") or "")
