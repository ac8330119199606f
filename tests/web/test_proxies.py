"""Who asks, behind proxies: only what trusted ones say counts, and nobody can play one."""

import asyncio
import logging
from itertools import product
from typing import Any

import pytest

from broker.web.client import READ_LIMIT
from broker.web.proxies import Announced, Proxies
from tests.web.line import Client, Line
from tests.web.requests import GOOD, HOST, PLAIN, sent
from tests.web.rig import Rig

OK = b"HTTP/1.1 200 OK\r\n"
PROXY, OTHER_PROXY = "10.0.0.1", "fd00::1"
CLIENT, FORGED = "203.0.113.9", "198.51.100.1"
PROXIES = Proxies(("10.0.0.0/8", "fd00::/8"))


def headers(*lines: str) -> list[tuple[bytes, bytes]]:
    """Return headers as they are read."""
    pairs = [line.encode("latin-1").partition(b": ") for line in lines]
    return [(name.lower(), value) for name, _, value in pairs]


@pytest.mark.parametrize(
    "lines",
    [
        (f"X-Forwarded-For: {CLIENT}",),
        (f"X-Forwarded-For: {FORGED}, {CLIENT}",),
        (f"X-Forwarded-For: {FORGED}", f"X-Forwarded-For: {CLIENT}"),
        (f"X-Forwarded-For: {FORGED},{CLIENT} , {OTHER_PROXY}",),
        (f"X-Forwarded-For: {FORGED}, {CLIENT}:4711, [{OTHER_PROXY}]:80",),
        (f"X-Forwarded-For: 10.9.9.9, {CLIENT}",),
        (f"X-Forwarded-For: ::ffff:{CLIENT}",),
        (f"Forwarded: for={CLIENT}",),
        (f"Forwarded: for={FORGED};proto=http, for={CLIENT};by=10.0.0.1;host=b",),
        (f'Forwarded: for={FORGED}, proto=https; For="{CLIENT}:99", for="[{OTHER_PROXY}]"',),
        (f'Forwarded: for="{FORGED}', f"Forwarded: for={CLIENT}"),
        (f"Forwarded: for={CLIENT}", f"X-Forwarded-For: {CLIENT}"),
        (f'Forwarded: host="x;for={FORGED}";for={CLIENT}',),
        (f'Forwarded: by="{FORGED}=";FOR = "{CLIENT}";host="for={FORGED}"',),
    ],
)
def test_the_nearest_that_is_no_proxy(lines: tuple[str, ...]) -> None:
    """What the client wrote itself stands before it, and is not reached."""
    assert PROXIES.client_of(PROXY, headers(*lines)) == CLIENT
    assert PROXIES.client_in(PROXY, sent("GET /token", (*HOST, *lines))) == CLIENT


@pytest.mark.parametrize(
    "line",
    [
        "X-Forwarded-For: ",
        "X-Forwarded-For: unknown",
        f"X-Forwarded-For: {FORGED}, unknown",
        f"X-Forwarded-For: {FORGED}, 1.2.3",
        f"X-Forwarded-For: {FORGED},",
        "Forwarded: for=_hidden",
        f"Forwarded: for={FORGED}, for=_hidden",
        f"Forwarded: for={FORGED}, by=10.0.0.1",
        f'Forwarded: for={CLIENT};host="x,for={FORGED}"',
        f'Forwarded: for={CLIENT};host="x,for={FORGED}";proto="http"',
        f'Forwarded: host="x\\";for={FORGED};y=\\"";for={CLIENT}',
        f"Forwarded: x-for={FORGED}",
        f"X-Real-IP: {FORGED}",
        "X: y",
    ],
)
def test_a_client_that_is_not_told(line: str) -> None:
    """The proxy is the one that asks then, whatever stands before."""
    assert PROXIES.client_of(PROXY, headers(line)) == PROXY


def test_lists_that_do_not_agree() -> None:
    """One of them is the client's own: a proxy adds to the one that it knows."""
    for lines in (
        (f"Forwarded: for={FORGED}", f"X-Forwarded-For: {CLIENT}"),
        (f"X-Forwarded-For: {FORGED}", f"Forwarded: for={CLIENT}"),
    ):
        assert PROXIES.client_of(PROXY, headers(*lines)) == PROXY


@pytest.mark.parametrize("peer", [CLIENT, "11.0.0.1", "::1", "", "not an address"])
def test_from_anybody_else_it_is_ignored(peer: str) -> None:
    """Nobody can play a proxy."""
    for line in (f"X-Forwarded-For: {FORGED}", f"Forwarded: for={FORGED}"):
        assert PROXIES.client_of(peer, headers(line)) == peer
        assert PROXIES.client_in(peer, sent("GET /token", (*HOST, line))) == peer
    assert Proxies(()).client_of(PROXY, headers(f"X-Forwarded-For: {FORGED}")) == PROXY


def test_only_proxies_all_the_way() -> None:
    """The first of them asks for itself."""
    assert PROXIES.client_of(PROXY, headers(f"X-Forwarded-For: 10.7.7.7, {OTHER_PROXY}")) == (
        "10.7.7.7"
    )


@pytest.fixture
def line() -> Line:
    """Return a port with trusted proxies, whose organization has its token."""
    rig = Rig("acme")
    rig.broker.token("acme")
    return Line(rig, proxies=PROXIES)


def test_audit_and_log_tell_of_the_client(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    """Remembered or not, by the loop or a thread, refused or malformed."""
    caplog.set_level(logging.INFO, "broker")
    for name in ("203.0.113.1", "203.0.113.2"):
        client = line.connect((PROXY, 7))
        by = f"X-Forwarded-For: {FORGED}, {name}"
        for _ in range(2):
            client.send(sent("GET /token", (*GOOD, by)))
        client.send(sent("GET /token?min_ttl=1", (*GOOD, by)))
        client.send(sent("GET /token", (*HOST, "Authorization: Bearer x", by)))
        client.send(sent("GET /token", (*GOOD, by, "Content-Length: x")))
        told = [entry.remote for entry in line.rig.audit]
        assert told == [name] * 5
        line.rig.audit.clear()
        remotes = {vars(one)["remote"] for one in caplog.records if "remote" in vars(one)}
        assert remotes == {name}
        caplog.clear()


def test_the_limit_on_refusals_is_the_clients(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    """One that guesses hides no other behind the same proxy."""
    client = line.connect((PROXY, 7))
    for number in (1, 1, 1, 2):
        by = f"X-Forwarded-For: 203.0.113.{number}"
        client.send(sent("GET /token", (*HOST, "Authorization: Bearer x", by)))
    told = [vars(one)["remote"] for one in caplog.records if one.message == "caller.refused"]
    assert told == ["203.0.113.1", "203.0.113.2"]


V1 = f"PROXY TCP4 {CLIENT} 10.0.0.2 4711 80\r\n".encode()
V2 = b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes(
    [203, 0, 113, 9, 10, 0, 0, 2, 18, 103, 0, 80]
)
LOCAL = b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"


class Proxied(Client):
    """A connection from a trusted proxy."""

    def __init__(self, line: Line) -> None:
        super().__init__(line, (PROXY, 7))
        self.announced = Announced(self.connection, self.connection)
        self.announced._transport = self.transport
        self.transport.protocol = self.announced
        transport: Any = self.transport
        transport.set_protocol = self._set_protocol

    def _set_protocol(self, protocol: asyncio.Protocol) -> None:
        self.transport.protocol = protocol

    def feed(self, data: bytes, piece: int) -> bytes:
        """Send pieces of so many bytes; return what came."""
        for start in range(0, len(data), piece):
            if not self.transport.closed:
                self.transport.protocol.data_received(data[start : start + piece])
                self._line.loop.settle()
        return self.taken()


@pytest.mark.parametrize(
    ("announced", "remote"), [(V1, CLIENT), (V2, CLIENT), (LOCAL, PROXY), (b"", PROXY)]
)
def test_the_proxy_protocol(line: Line, announced: bytes, remote: str) -> None:
    """In any pieces; what follows is read as ever, and headers of who is no proxy count nothing."""
    for piece, request in product((1, 5, 10_000), (PLAIN, sent("GET /health/live"))):
        client = Proxied(line)
        assert client.feed(announced + request, piece).startswith(OK)
        assert client.connection.remote == remote
        client.transport.close()
    by = f"X-Forwarded-For: {FORGED}"
    Proxied(line).feed(announced + sent("GET /token", (*GOOD, by)), 10_000)
    assert line.rig.audit[-1].remote == (CLIENT if remote == CLIENT else FORGED)


@pytest.mark.parametrize(
    "announced",
    [
        b"PROXY TCP4 1.2.3 10.0.0.2 1 2\r\n",
        b"PROXY NONSENSE\r\n",
        b"PROXY " + b"x" * 200,
        V2[:12] + b"\x31" + V2[13:],
        V2[:13] + b"\x51" + V2[14:],
    ],
)
def test_a_proxy_that_speaks_nonsense(
    line: Line, announced: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Its connection ends, with one quiet line."""
    caplog.set_level(logging.INFO, "broker")
    client = Proxied(line)
    assert client.feed(announced + PLAIN, 10_000) == b""
    assert client.transport.closed
    assert [one.message for one in caplog.records] == ["request.malformed"]


def test_a_proxy_that_does_not_end_its_word(line: Line) -> None:
    """It has the time of a request."""
    client = Proxied(line)
    client.feed(V1[:-1], 10_000)
    line.pass_time(READ_LIMIT + 0.1)
    assert client.transport.closed


@pytest.mark.parametrize("peer", [CLIENT, ""])
def test_from_anybody_else_the_protocol_is_noise(line: Line, peer: str) -> None:
    """It is no request."""
    client = line.connect((peer, 7) if peer else "")
    assert client.send(V1 + PLAIN).startswith(b"HTTP/1.1 400 ")
