"""Requests at and over the edge of HTTP: the right answer, no echo, and the next one is served."""

import json
import re
from collections.abc import Iterator

import pytest

from broker.emulator.canvas import Canvas
from broker.emulator.server import EmulatorServer
from tests.integration.deployment import CONSUMER, SECRET_KEY, Deployment
from tests.integration.wire import Answer, Wire
from tests.servers import RedisServer

pytestmark = pytest.mark.sockets

CANARY = "canary-in-the-request"
LINE, FIELD, FIELDS, BODY = 2048, 8190, 64, 65536
NEW_ID = re.compile(r"[0-9a-f]{32}")
PATHS = [
    "/token",
    "/health",
    "/health/live",
    "/health/ready",
    "/metrics",
    "/status",
    "/openapi.json",
    "/.well-known/oauth-authorization-server",
    "/nowhere",
]


class Edge:
    """A broker and a caller's key, and how to ask it for strange things."""

    def __init__(self, port: int, key: str) -> None:
        self.port = port
        self.key = key

    def request(
        self,
        target: str = "/token",
        *headers: str,
        method: str = "GET",
        version: str = "HTTP/1.1",
        body: str = "",
    ) -> bytes:
        """Return a request of the caller as it goes over the wire."""
        lines = [f"{method} {target} {version}", "Host: b", f"Authorization: Bearer {self.key}"]
        return ("\r\n".join([*lines, *headers, "", ""]) + body).encode("latin-1")

    def ask(self, *request: bytes, half_close: bool = False) -> Answer:
        """Send a request on a connection of its own; return the last answer to it."""
        with Wire(self.port) as wire:
            wire.send(b"".join(request))
            if half_close:
                wire.half_close()
            return wire.answer(head=request[0].startswith(b"HEAD "))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, valkey: RedisServer) -> Iterator[Edge]:
    """Start one broker for all tests; its log must show no crash, no key and nothing sent to it."""
    settings = {
        "BROKER_REDIS_PREFIX": "edges",
        "BROKER_LOG_LEVEL": "debug",
        "BROKER_WORKERS": "1",
        "BROKER_THREADS": "8",
    }
    with (
        EmulatorServer(Canvas({CONSUMER: SECRET_KEY}, names={CONSUMER: "acme"})) as emulator,
        Deployment(
            tmp_path_factory.mktemp("edges"), emulator, valkey.url, brokers=1, settings=settings
        ) as fleet,
    ):
        fleet.wait_for_token()
        yield Edge(fleet.brokers[0].port, fleet.key)
        log = fleet.brokers[0].log()
        for word in (".crashed", '"calls"', "service.stopped", fleet.key, CANARY):
            assert word not in log


@pytest.fixture
def edge(served: Edge) -> Iterator[Edge]:
    """Lend the broker; afterwards it must serve the next request."""
    yield served
    assert_token(served.ask(served.request()))


def assert_token(answer: Answer) -> None:
    """Check that this is a token."""
    assert answer.status == 200
    assert answer.body["token_type"] == "Bearer"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Request-ID"]


def assert_refused(answer: Answer, status: int, code: str = "invalid_request") -> None:
    """Check an error of the contract that repeats nothing of the request."""
    assert (answer.status, answer.body["error"]) == (status, code)
    assert answer.body.keys() == {"error", "error_description"}
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Request-ID"]
    assert CANARY not in answer.text()


@pytest.mark.parametrize(("over", "status"), [(0, 400), (1, 414)])
def test_longest_request_line(edge: Edge, over: int, status: int) -> None:
    """At the limit it reaches the application, which does not know the parameter."""
    around = len("GET /token?x= HTTP/1.1")
    answer = edge.ask(edge.request(f"/token?x={'1' * (LINE - around + over)}"))
    assert_refused(answer, status)
    assert ("not known" in answer.body["error_description"]) == (not over)


def test_longest_header(edge: Edge) -> None:
    """Counted with its line end."""
    longest = f"X-Long: {'x' * (FIELD - len('X-Long: ') - 2)}"
    assert_token(edge.ask(edge.request("/token", longest)))
    assert_refused(edge.ask(edge.request("/token", f"{longest}x")), 431)


def test_most_headers(edge: Edge) -> None:
    """Two of them are always there: ``Host`` and ``Authorization``."""
    most = ["X-Many: 1"] * (FIELDS - 2)
    assert_token(edge.ask(edge.request("/token", *most)))
    assert_refused(edge.ask(edge.request("/token", *most, "X-Many: 1")), 431)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (["Content-Length: 0"], ""),
        (["Content-Length: 5"], "hello"),
        ([f"Content-Length: {BODY}"], "x" * BODY),
        (["Transfer-Encoding: chunked"], "5\r\nhello\r\n0\r\n\r\n"),
        (["Transfer-Encoding: chunked"], "5;ext=1\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n"),
    ],
    ids=["none", "short", "longest", "chunked", "trailers"],
)
def test_get_with_a_body(edge: Edge, headers: list[str], body: str) -> None:
    """The body is dropped, and what follows it is the next request."""
    with Wire(edge.port) as wire:
        wire.send(edge.request("/token", *headers, body=body) + edge.request())
        assert_token(wire.answer())
        assert_token(wire.answer())


@pytest.mark.parametrize(
    ("headers", "piece"),
    [
        (["Content-Length: 1000000000"], "x" * BODY),
        (["Transfer-Encoding: chunked"], f"{BODY:x}\r\n{'x' * BODY}\r\n"),
    ],
    ids=["length", "chunked"],
)
def test_endless_body(edge: Edge, headers: list[str], piece: str) -> None:
    """It is read within bounds: a caller gets its token and the connection ends."""
    with Wire(edge.port) as wire:
        wire.send(edge.request("/token", *headers, body=piece * 3))
        assert_token(wire.answer())
        assert wire.is_closed()


def test_body_that_is_too_long_is_refused_unread(edge: Edge) -> None:
    """The answer comes before any of it was sent."""
    headers = [f"Content-Length: {BODY + 1}", "Content-Type: application/x-www-form-urlencoded"]
    assert_refused(edge.ask(edge.request("/token", *headers, method="POST")), 413)


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ("Content-Length: 50", CANARY),
        ("Transfer-Encoding: chunked", "50\r\nshort"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n"),
        ("Transfer-Encoding: chunked", f"5\r\nhello\r\n0\r\nX-{CANARY}"),
    ],
    ids=["length", "in-a-chunk", "after-a-chunk", "trailer"],
)
def test_body_that_ends_early(edge: Edge, header: str, body: str) -> None:
    """A request that is not whole is not answered as if it were."""
    assert_refused(edge.ask(edge.request("/token", header, body=body), half_close=True), 400)


def test_body_longer_than_announced(edge: Edge) -> None:
    """What is beyond is the next request, and no request at all."""
    with Wire(edge.port) as wire:
        wire.send(edge.request("/token", "Content-Length: 1", body=f"x{CANARY}\r\n\r\n"))
        assert_token(wire.answer())
        assert_refused(wire.answer(), 400)
        assert wire.is_closed()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (["Content-Length: 5", "Transfer-Encoding: chunked"], 400),
        (["Transfer-Encoding: chunked", "Content-Length: 5"], 400),
        (["Content-Length: 5", "Content-Length: 5"], 400),
        (["Content-Length: 5", "Content-Length: 6"], 400),
        (["Content-Length: 5, 5"], 400),
        (["Content-Length: +5"], 400),
        (["Content-Length: -5"], 400),
        (["Content-Length: 0x5"], 400),
        (["Content-Length: 5.0"], 400),
        (["Content-Length: \xb2"], 400),
        (["Content-Length:"], 400),
        ([f"Content-Length: {'9' * 5000}"], 400),
        (["Transfer-Encoding: xchunked"], 501),
        (["Transfer-Encoding: chunked, xchunked"], 501),
        (["Transfer-Encoding : chunked"], 400),
        ([" Transfer-Encoding: chunked"], 400),
        (["X: 1", " Transfer-Encoding: chunked"], 400),
        (["Transfer-Encoding:\x0bchunked"], 400),
        (["Transfer-Encoding: chunked, identity"], 400),
        (["Transfer-Encoding: gzip"], 400),
        (["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], 400),
    ],
    ids=str,
)
def test_two_readings_of_one_length(edge: Edge, headers: list[str], status: int) -> None:
    """What a proxy might read otherwise is refused, and nothing after it is taken for a request."""
    with Wire(edge.port) as wire:
        wire.send(edge.request("/token", *headers, body=f"0\r\n\r\n{CANARY}") + edge.request())
        assert_refused(wire.answer(), status)
        assert wire.is_closed()


@pytest.mark.parametrize(
    "body", ["zz\r\nhello\r\n", "-5\r\nhello\r\n", "5\r\nhelloX\r\n", "5;\x01\r\n"]
)
def test_malformed_chunks(edge: Edge, body: str) -> None:
    """Where the next request begins is unknown: the connection ends."""
    with Wire(edge.port) as wire:
        wire.send(edge.request("/token", "Transfer-Encoding: chunked", body=body) + edge.request())
        assert_refused(wire.answer(), 400)
        assert wire.is_closed()


def test_one_connection_serves_many_requests(edge: Edge) -> None:
    """Also after a 401, a 403, a 404 and a 405, one at a time or two at once."""
    stranger = b"GET /token HTTP/1.1\r\nHost: b\r\n\r\n"
    with Wire(edge.port) as wire:
        for request, status in [
            (edge.request(), 200),
            (stranger, 401),
            (edge.request("/token?organization=other"), 403),
            (edge.request("/nowhere"), 404),
            (edge.request(method="DELETE"), 405),
        ]:
            assert wire.send(request).answer().status == status
        wire.send(edge.request("/health/live") + edge.request())
        assert wire.answer().body == {"status": "pass"}
        assert_token(wire.answer())


@pytest.mark.parametrize(
    ("version", "headers", "closed"),
    [
        ("HTTP/1.1", [], False),
        ("HTTP/1.1", ["Connection: close"], True),
        ("HTTP/1.1", ["Connection: CLOSE"], True),
        ("HTTP/1.0", [], True),
        ("HTTP/1.0", ["Connection: keep-alive"], False),
    ],
)
def test_who_keeps_a_connection(
    edge: Edge, version: str, headers: list[str], *, closed: bool
) -> None:
    """As asked for, and said in the answer."""
    with Wire(edge.port) as wire:
        answer = wire.send(edge.request("/token", *headers, version=version)).answer()
        assert_token(answer)
        assert (answer.headers["Connection"] == "close") == closed
        if closed:
            assert wire.is_closed()
        else:
            assert_token(wire.send(edge.request()).answer())


@pytest.mark.parametrize("path", PATHS)
def test_head(edge: Edge, path: str) -> None:
    """It gets what GET gets, without the body."""
    with Wire(edge.port) as wire:
        got = wire.send(edge.request(path)).answer()
        head = wire.send(edge.request(path, method="HEAD")).answer(head=True)
        assert head.status == got.status
        assert sorted(head.headers.keys()) == sorted(got.headers.keys())
        assert head.headers["Content-Type"] == got.headers["Content-Type"]
        assert_token(wire.send(edge.request()).answer())


@pytest.mark.parametrize("path", ["/token", "/health/live"])
def test_options(edge: Edge, path: str) -> None:
    """It tells the methods."""
    answer = edge.ask(edge.request(path, method="OPTIONS"))
    assert answer.status == 200
    assert {"GET", "HEAD", "OPTIONS"} <= set(answer.headers["Allow"].split(", "))
    assert answer.headers["X-Request-ID"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "BREW", "A-B"])
def test_other_methods(edge: Edge, method: str) -> None:
    """405 with the methods that there are; nothing is traced back or tunnelled."""
    answer = edge.ask(edge.request("/token", f"X-Canary: {CANARY}", method=method))
    assert_refused(answer, 405, "method_not_allowed")
    assert "GET" in answer.headers["Allow"].split(", ")


@pytest.mark.parametrize("method", ["get", "Get", "GET,", "G#T", "\xc7ET", "X" * 50])
def test_what_is_no_method(edge: Edge, method: str) -> None:
    """Methods are upper-case words."""
    assert edge.ask(edge.request(method=method)).status in {400, 405}


NUMBERS = {
    "digits": "9" * 1900,
    "negative": "-1",
    "plus": "+1",
    "float": "1.5",
    "exponent": "1e3",
    "arabic-indic": "%D9%A1%D9%A2",
    "nul": "1%00",
    "space": "%201",
    "underscore": "1_0",
    "hexadecimal": "0x10",
    "invalid-utf-8": "%ff",
    "empty": "",
    "words": CANARY,
}
NAMES = {
    "dots": "../",
    "encoded-dots": "%2e%2e%2f",
    "nul": "acme%00",
    "invalid-utf-8": "%ff%fe",
    "long": "a" * 1900,
    "emoji": "%F0%9F%98%80",
    "upper-case": "ACME",
    "line-end": "acme%0d%0aX-Canary:%201",
    "newline": "acme%0a",
    "blank": "acme%20",
    "empty": "",
    "template": "%7B%7B7*7%7D%7D",
    "half-escape": "%",
}


@pytest.mark.parametrize("name", ["min_ttl", "rejected"])
@pytest.mark.parametrize("value", NUMBERS.values(), ids=NUMBERS.keys())
def test_absurd_numbers(edge: Edge, name: str, value: str) -> None:
    """The parameter is named, its value is not repeated."""
    answer = edge.ask(edge.request(f"/token?{name}={value}"))
    assert_refused(answer, 400)
    problem = "is not UTF-8" if value == "%ff" else "must be a whole number from"
    assert answer.body["error_description"].startswith(f"{name} {problem}")


@pytest.mark.parametrize("value", NAMES.values(), ids=NAMES.keys())
def test_absurd_organizations(edge: Edge, value: str) -> None:
    """As for numbers."""
    answer = edge.ask(edge.request(f"/token?organization={value}"))
    assert_refused(answer, 400)
    problem = "is not UTF-8" if "%ff" in value else "must be"
    assert answer.body["error_description"].startswith(f"organization {problem}")
    assert "X-Canary" not in answer.headers


@pytest.mark.parametrize("query", ["min_ttl=1&min_ttl=1", "organization=acme&organization=acme"])
def test_repeated_parameter(edge: Edge, query: str) -> None:
    """Two readers could take different ones."""
    assert_refused(edge.ask(edge.request(f"/token?{query}")), 400)


@pytest.mark.parametrize("name", ["%3Cscript%3E", "%0d%0aX-Canary:1", "%ff", "", "a" * 1900])
def test_unknown_parameter(edge: Edge, name: str) -> None:
    """It is named, but only what is harmless of its name."""
    answer = edge.ask(edge.request(f"/token?{name}=1"))
    assert_refused(answer, 400)
    assert not set("<>\r\n") & set(answer.body["error_description"])
    assert len(answer.body["error_description"]) < 150


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("sane-1.2_3", True),
        ("x" * 128, True),
        ("x" * 129, False),
        ("x" * 8000, False),
        ("a%0d%0aX-Canary:%201", False),
        ("a b", False),
        ("a,b", False),
        ("caf\xe9", False),
        ("", False),
    ],
)
def test_request_id(edge: Edge, sent: str, *, kept: bool) -> None:
    """A sane one comes back, any other is replaced."""
    answer = edge.ask(edge.request("/token", f"X-Request-ID: {sent}"))
    assert_token(answer)
    returned = answer.headers["X-Request-ID"]
    assert returned == sent if kept else NEW_ID.fullmatch(returned)


def test_request_id_twice(edge: Edge) -> None:
    """Two ids are none."""
    answer = edge.ask(edge.request("/token", "X-Request-ID: a", "X-Request-ID: b"))
    assert NEW_ID.fullmatch(answer.headers["X-Request-ID"])


@pytest.mark.parametrize("inside", ["\r", "\n", "\r\n ", "\r\n\t", "\0", "\x7f"])
def test_header_injection(edge: Edge, inside: str) -> None:
    """Control characters and folded lines are refused before anybody reads them."""
    header = f"X-Request-ID: a{inside}X-Canary: {CANARY}"
    assert_refused(edge.ask(edge.request("/token", header)), 400)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://elsewhere.example/token", 200),
        ("/%74oken", 200),
        ("//token", 404),
        ("///token", 404),
        ("/%2ftoken", 404),
        ("http://b//token", 404),
        ("/token?", 200),
        ("/token/", 404),
        ("/TOKEN", 404),
        ("/token;a=b", 404),
        ("/token%00", 404),
        ("/token%2f", 404),
        ("/token%0d%0aX-Canary:1", 404),
        ("/token%ff", 404),
        ("/./token", 404),
        ("/x/../token", 404),
        ("/health//live", 404),
        ("http://[::1", 400),
        ("*", 400),
        ("token", 400),
        ("b:80", 400),
        ("/token\xff", 400),
        ("/to\tken", 400),
    ],
)
def test_targets(edge: Edge, target: str, status: int) -> None:
    """A path is taken as it is: no redirect, no dots resolved, and none is shown in an error."""
    answer = edge.ask(edge.request(target))
    assert answer.status == status
    assert "Location" not in answer.headers
    assert "X-Canary" not in answer.headers
    if status != 200:
        assert_refused(answer, status, "not_found" if status == 404 else "invalid_request")


@pytest.mark.parametrize(
    "line",
    ["GET /token", "GET /token HTTP/2.0", "GET  /token HTTP/1.1", "PRI * HTTP/2.0", "\x16\x03\x01"],
)
def test_what_is_no_request_line(edge: Edge, line: str) -> None:
    """HTTP/1.0 and HTTP/1.1 are spoken here."""
    assert_refused(edge.ask(f"{line}\r\nHost: b\r\n\r\n".encode("latin-1")), 400)


@pytest.mark.parametrize("host", ["", "a b", "evil/../x", "[::1", "\xff", "a" * 4000, CANARY])
def test_absurd_host(edge: Edge, host: str) -> None:
    """One that can be no host is refused; nothing else depends on it."""
    request = edge.request().replace(b"Host: b", f"Host: {host}".encode("latin-1"))
    answer = edge.ask(request)
    assert answer.status == (200 if host in {"a" * 4000, CANARY} else 400)
    assert CANARY not in answer.text()


def test_host_missing_and_twice(edge: Edge) -> None:
    """HTTP/1.0 knows none; HTTP/1.1 has one (RFC 9112 section 3.2)."""
    without = edge.request().replace(b"Host: b\r\n", b"")
    assert_token(edge.ask(without.replace(b"HTTP/1.1", b"HTTP/1.0")))
    assert_refused(edge.ask(without), 400)
    assert_refused(edge.ask(edge.request("/token", "Host: c")), 400)


def test_expectations(edge: Edge) -> None:
    """A client may wait for the word to send its body; other expectations are not met."""
    expecting = edge.request("/token", "Expect: 100-continue", "Content-Length: 5")
    with Wire(edge.port) as wire:
        assert wire.send(expecting).answer().status == 100
        assert_token(wire.send(b"hello").answer())
        assert_token(wire.send(edge.request()).answer())
    assert_refused(edge.ask(edge.request("/token", f"Expect: {CANARY}")), 400)


@pytest.mark.parametrize(
    "header",
    [
        "X-Forwarded-For: 203.0.113.9",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off",
        "X-Forwarded-Host: elsewhere.example",
        "X-Forwarded-Prefix: /elsewhere",
        "Forwarded: for=203.0.113.9;host=elsewhere.example",
        "X-Original-URL: /health",
        "X-HTTP-Method-Override: DELETE",
        "SCRIPT_NAME: /elsewhere",
        "Script-Name: /elsewhere",
        "PATH_INFO: /health",
        "REMOTE_ADDR: 203.0.113.9",
        "X_Request_ID: taken",
        "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk",
    ],
)
def test_headers_that_change_nothing(edge: Edge, header: str) -> None:
    """No proxy is trusted, so nobody can play one."""
    answer = edge.ask(edge.request("/token", header))
    assert_token(answer)
    assert answer.headers["X-Request-ID"] != "taken"


def test_health_through_a_broken_pipe(edge: Edge) -> None:
    """Clients that go away at any point leave nothing behind."""
    whole = edge.request("/health")
    for length in (1, 10, len(whole) - 1, len(whole)):
        with Wire(edge.port) as wire:
            wire.send(whole[:length])
    assert json.loads(edge.ask(whole).content)["status"] == "pass"
