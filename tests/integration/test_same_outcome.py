"""One table of requests to a real server: however often and in whichever pieces one is sent.

What real clients were heard to send and what the contract has are sent for the first time and
again, in the client's pieces, in two halves, byte by byte (over TLS in records of one byte) and
several at once. Every byte of the answers is compared, and the lines of audit and log, and what the
metrics count; but for dates, ids, durations and the seconds that a token still lives.
"""

import json
import re
import socket
import ssl
import time
import urllib.request
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from broker.callers import key_digest
from broker.emulator.canvas import Behaviour, Canvas
from broker.emulator.server import EmulatorServer
from tests.clients.recorded import KEY, recorded
from tests.integration.deployment import CONSUMER, SECRET_KEY, START_LIMIT, Deployment
from tests.integration.wire import Wire
from tests.redis.certificates import LOOPBACK, Authority
from tests.servers import RedisServer, free_port

pytestmark = [pytest.mark.sockets, pytest.mark.slow, pytest.mark.timeout(480)]

LIFE = 3000.0
LIMIT = 60.0
HOST = "Host: broker.example"
BEARER = f"Authorization: Bearer {KEY}"
BASIC = f"Authorization: Basic {b64encode(f'billing:{KEY}'.encode()).decode()}"
TYPED = "Content-Type: application/x-www-form-urlencoded"
GRANT = "grant_type=client_credentials"
TRACE = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OF_ITS_OWN = frozenset({"time", "request_id", "seconds"})
"""Fields of a line that differ between two requests that are the same."""
SELDOM = frozenset({"caller.refused", "request.malformed"})
"""Lines of the log that only some of many requests have: they have limits."""
WRITTEN = 2
"""Lines of a request for a token: one of the audit, one of the log."""
FEW, PAUSE, SEVERAL = 5, 0.002, 3
COUNTED = ("broker_token_requests_total", "broker_token_request_seconds_count")
DATE = re.compile(rb"\r\nDate: [^\r\n]+")
ID = re.compile(rb"\r\nX-Request-ID: ([^\r\n]+)")
SECONDS = re.compile(rb'("(?:expires|refresh)_in":)\d+')


def sent(line: str, *headers: str, body: str = "", version: str = "1.1") -> bytes:
    """Return a request as it is sent."""
    return "\r\n".join([f"{line} HTTP/{version}", *headers, "", body]).encode("latin-1")


def form(body: str, *headers: str) -> bytes:
    """Return a form as it is sent."""
    return sent("POST /token", HOST, TYPED, f"Content-Length: {len(body)}", *headers, body=body)


CONTRACT = {
    "plain": sent("GET /token", HOST, BEARER),
    "named": sent("GET /token?organization=acme", HOST, BEARER),
    "min_ttl": sent("GET /token?min_ttl=60", HOST, BEARER),
    "rejected": sent("GET /token?rejected=999", HOST, BEARER),
    "traced": sent("GET /token", HOST, BEARER, TRACE),
    "last": sent("GET /token", HOST, BEARER, "Connection: close"),
    "last of a list": sent("GET /token", HOST, BEARER, "Connection: TE, close"),
    "HTTP/1.0": sent("GET /token", BEARER, version="1.0"),
    "HTTP/1.0, kept": sent("GET /token", BEARER, "Connection: keep-alive", version="1.0"),
    "a body nobody wants": sent("GET /token", HOST, BEARER, "Content-Length: 2", body="hi"),
    "chunks": sent(
        "POST /token",
        HOST,
        TYPED,
        BASIC,
        "Transfer-Encoding: chunked",
        body=f"{len(GRANT):x}\r\n{GRANT}\r\n0\r\n\r\n",
    ),
    "client_secret_basic": form(GRANT, BASIC),
    "client_secret_post": form(f"{GRANT}&client_id=billing&client_secret={KEY}"),
    "scope": form(f"{GRANT}&scope=acme", BASIC),
    "health": sent("GET /health/live", HOST),
    "metadata": sent("GET /.well-known/oauth-authorization-server", HOST),
    "no key": sent("GET /token", HOST),
    "wrong key": sent("GET /token", HOST, "Authorization: Bearer ctb_the-key-of-nobody-here"),
    "organization of others": sent("GET /token?organization=globex", HOST, BEARER),
    "unknown parameter": sent("GET /token?x=1", HOST, BEARER),
    "no grant": form("scope=acme", BASIC),
    "another grant": form("grant_type=password", BASIC),
    "another scope": form(f"{GRANT}&scope=globex", BASIC),
    "no such page": sent("GET /tokens", HOST, BEARER),
    "another method": sent("PUT /token", HOST, BEARER),
    "options": sent("OPTIONS /token", HOST),
    "no host": sent("GET /token", BEARER),
    "two ids": sent("GET /token", HOST, BEARER, "X-Request-ID: a", "X-Request-ID: b"),
    "no header": sent("GET /token", HOST, BEARER, "what is this"),
    "no HTTP": b"hello\r\n\r\n",
}
TABLE = {f"recorded {one.name}": one.pieces for one in recorded()}
TABLE |= {name: (request,) for name, request in CONTRACT.items()}


@dataclass(frozen=True)
class Told:
    """What one request led to: its answer, and the lines of audit and log that have its id."""

    answer: bytes
    lines: list[dict[str, Any]]


class Served:
    """A broker whose audit, log and metrics the test reads."""

    def __init__(
        self,
        folder: Path,
        emulator: EmulatorServer,
        redis: RedisServer,
        authority: Authority | None,
    ) -> None:
        self._audit = folder / "audit"
        self._tls = None
        management = free_port()
        self._metrics = f"http://127.0.0.1:{management}/metrics"
        settings = {
            "BROKER_REDIS_PREFIX": folder.name,
            "BROKER_WORKERS": "1",
            "BROKER_REQUEST_LOG": "1",
            "BROKER_AUDIT_LOG": str(self._audit),
            "BROKER_MANAGEMENT_BIND": f"127.0.0.1:{management}",
        }
        if authority is not None:
            pair = authority.server(LOOPBACK)
            self._tls = ssl.create_default_context(cafile=authority.file)
            settings["BROKER_TLS_CERT_FILE"] = str(pair.certificate)
            settings["BROKER_TLS_KEY_FILE"] = str(pair.key)
            settings["BROKER_MANAGEMENT_TLS"] = "off"
        self.deployment = Deployment(folder, emulator, redis.url, brokers=1, settings=settings)
        (folder / "callers.toml").write_text(
            f'[callers.billing]\nkey_sha256 = "{key_digest(KEY)}"\norganizations = ["acme"]\n'
        )
        self._broker = self.deployment.brokers[0]

    def ask(self, pieces: Sequence[bytes], count: int = 1) -> list[bytes]:
        """Send pieces on a connection of its own; return the answers, ``count`` if it is kept."""
        answers: list[bytes] = []
        with Wire(self._broker.port, self._tls, limit=LIMIT) as wire:
            wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with suppress(OSError):  # it may be refused before its end
                for number, piece in enumerate(pieces):
                    if number and len(pieces) <= FEW:
                        time.sleep(PAUSE)
                    wire.send(piece)
            while len(answers) < count:
                answers.append(wire.raw(head=pieces[0].startswith(b"HEAD ")))
                if b"\r\nConnection: close\r\n" in answers[-1]:
                    assert wire.is_closed()
                    break
        return answers

    def told(self, answers: Sequence[bytes]) -> list[Told]:
        """Return what each of them led to, once the lines of a request after them are there."""
        (last,) = self.ask([CONTRACT["plain"]])
        until, kept = time.monotonic() + LIMIT, self._lines()
        while len(kept.get(id_of(last), ())) < WRITTEN:
            assert time.monotonic() < until
            time.sleep(0.02)
            kept = self._lines()
        return [Told(without_what_differs(one), kept.get(id_of(one), [])) for one in answers]

    def counted(self) -> Counter[str]:
        """Return what the metrics say of requests for a token."""
        with urllib.request.urlopen(self._metrics, timeout=LIMIT) as answer:
            samples = [line.rsplit(" ", 1) for line in answer.read().decode().splitlines()]
        return Counter({name: int(float(n)) for name, n in samples if name.startswith(COUNTED)})

    def _lines(self) -> dict[str, list[dict[str, Any]]]:
        """Return all lines by the ids of requests, without what differs."""
        found: dict[str, list[dict[str, Any]]] = {}
        for text in (self._audit.read_text(), self._broker.log()):
            for line in map(json.loads, text.splitlines()):
                if (own := line.get("request_id")) and line["event"] not in SELDOM:
                    kept = {name: value for name, value in line.items() if name not in OF_ITS_OWN}
                    found.setdefault(own, []).append(kept)
        return found

    def is_up(self) -> bool:
        """Tell whether there is a token to serve."""
        with suppress(OSError):
            return self.ask([CONTRACT["plain"]])[0].startswith(b"HTTP/1.1 200 ")
        return False


def id_of(answer: bytes) -> str:
    """Return the id of the request, which each answer has."""
    found = ID.search(answer)
    assert found, answer
    return found[1].decode()


def without_what_differs(answer: bytes) -> bytes:
    """Return an answer without date, id and counted seconds."""
    for pattern, instead in ((DATE, b""), (ID, b""), (SECONDS, rb"\1N")):
        answer = pattern.sub(instead, answer)
    return answer


@pytest.fixture(scope="module", params=["without TLS", "with TLS"])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, valkey: RedisServer
) -> Iterator[Served]:
    """Start a broker that has its token."""
    folder = tmp_path_factory.mktemp("outcome")
    authority = Authority(folder, "ours") if request.param == "with TLS" else None
    lives = Behaviour(access_lifetime_authenticate=LIFE, access_lifetime_refresh=LIFE)
    canvas = Canvas({CONSUMER: SECRET_KEY}, names={CONSUMER: "acme"}, behaviour=lives)
    with EmulatorServer(canvas) as emulator:
        running = Served(folder, emulator, valkey, authority)
        with running.deployment:
            until = time.monotonic() + START_LIMIT
            while not running.is_up():
                assert time.monotonic() < until
                time.sleep(0.1)
            yield running


def spelled(request: bytes, number: int) -> bytes:
    """Return a request that nobody has sent before: with one header more."""
    return request.replace(b"\r\n", b"\r\nX-Spelled: %d\r\n" % number, 1)


def ways(pieces: Sequence[bytes]) -> Iterator[tuple[list[bytes], int]]:
    """Yield pieces, and how many requests they are: each way is met anew, and remembered."""
    whole = b"".join(pieces)
    yield list(pieces), 1
    for number, request in enumerate((whole, whole, spelled(whole, 1), spelled(whole, 1))):
        half = len(request) // (2 + number)
        yield [request[:half], request[half:]], 1
    for request in (whole, spelled(whole, 2)):
        yield [bytes([byte]) for byte in request], 1
    for request in (whole, spelled(whole, 3)):
        yield [request * SEVERAL], SEVERAL


@pytest.mark.parametrize("name", TABLE)
def test_one_outcome(served: Served, name: str) -> None:
    """The first time, again, in pieces, and several at once."""
    before = served.counted()
    answers = served.ask([b"".join(TABLE[name])])
    once = served.counted() - before
    for pieces, count in ways(TABLE[name]):
        answers += served.ask(pieces, count)
    assert served.counted() - before == Counter({k: n * len(answers) for k, n in once.items()})
    first, *others = served.told(answers)
    assert others == [first] * len(others)
