"""Requests for a token as clients send them, for tests that compare ways to answer."""

from base64 import b64encode

from tests.web.rig import AUDIT_KEY, FORM, KEY, OTHER_KEY, STRANGER_KEY

HOST = ("Host: b",)
GOOD = (*HOST, f"Authorization: Bearer {KEY}")
GRANT = "grant_type=client_credentials"
BY_NAME = f"client_id=billing&client_secret={KEY}"
TYPED = (*HOST, f"Content-Type: {FORM}")
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def basic(name: str, key: str) -> str:
    """Return the header of HTTP Basic."""
    return f"Authorization: Basic {b64encode(f'{name}:{key}'.encode()).decode()}"


def sent(line: str, headers: tuple[str, ...] = GOOD, body: str = "", version: str = "1.1") -> bytes:
    """Return a request as it is sent."""
    return "\r\n".join([f"{line} HTTP/{version}", *headers, "", body]).encode("latin-1")


def form(body: str, *headers: str, line: str = "POST /token") -> bytes:
    """Return a form of the caller billing as it is sent."""
    every = (*(headers or (*TYPED, basic("billing", KEY))), f"Content-Length: {len(body)}")
    return sent(line, every, body)


PLAIN = sent("GET /token")
CLIENTS: dict[str, bytes] = {
    "requests": sent(
        "GET /token?organization=acme",
        (
            *HOST,
            "User-Agent: python-requests/2.31.0",
            "Accept-Encoding: gzip, deflate",
            "Accept: */*",
            "Connection: keep-alive",
            GOOD[1],
        ),
    ),
    "go": sent("GET /token", (*HOST, "User-Agent: Go-http-client/1.1", GOOD[1])),
    "java": sent(
        "GET /token",
        (
            "Connection: Upgrade, HTTP2-Settings",
            "Content-Length: 0",
            *HOST,
            "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
            "Upgrade: h2c",
            "User-Agent: Java-http-client/17.0.9",
            GOOD[1],
        ),
    ),
    "lwp": sent("GET /token", ("TE: deflate,gzip;q=0.3", "Connection: TE", GOOD[1], *HOST)),
    "node": form(
        f"{GRANT}&{BY_NAME}", *TYPED, "Connection: keep-alive", "Accept: application/json"
    ),
    "charset": form(GRANT, *HOST, f"Content-Type: {FORM};charset=utf-8", basic("billing", KEY)),
    "audit": sent("GET /token?organization=globex", (*HOST, f"Authorization: Bearer {AUDIT_KEY}")),
    "http/1.0": sent("GET /token", (*GOOD, "Connection: keep-alive"), version="1.0"),
    "http/1.9": sent("GET /token", version="1.9"),
}
"""Those whose answers are remembered."""
OTHERS: tuple[bytes, ...] = (
    sent("GET /token", (*HOST, f"Authorization: Bearer {AUDIT_KEY}")),
    sent("GET /token", (*HOST, f"Authorization: Bearer {STRANGER_KEY}")),
    sent("GET /token", (*HOST, f"Authorization: bearer  {OTHER_KEY} ")),
    sent("GET /token", (*GOOD, "Authorization: Bearer x")),
    sent("GET /token", (*GOOD, "X-Request-ID: a", "X-Request-ID: b")),
    sent("GET /token", (*GOOD, "X-Request-ID: not sane")),
    sent("GET /token", (*GOOD, "X-Request-ID: mine-1", f"traceparent: {TRACEPARENT}")),
    sent("GET /token", (*GOOD, "X_Request_ID: a")),
    sent("GET /token", (*GOOD, "Connection: TE, close")),
    sent("GET /token", (*GOOD, "Connection: Close, x")),
    sent("GET /token", (*GOOD, "Expect: 100-continue")),
    sent("GET /token", (*GOOD, "Content-Length: 5"), "hello"),
    sent("GET /token", (*GOOD, "Transfer-Encoding: chunked"), "2\r\nhi\r\n0\r\n\r\n"),
    sent("GET http://b/token"),
    sent("GET /token?organization=acme#x"),
    sent("GET /token#x"),
    sent("GET /token??"),
    sent("GET /token?min_ttl=1"),
    sent("GET /token?rejected=1"),
    sent("GET /tokens"),
    sent("GET /%74oken"),
    sent("OPTIONS /token"),
    sent("PUT /token"),
    sent("GET /health/live"),
    form(GRANT, *TYPED, basic("billing", KEY), "Expect: 100-continue"),
    form(f"{GRANT}&scope=globex"),
    form(GRANT, line="POST /token?x=1"),
    form(GRANT, *TYPED),
)
"""Those that go another way, or are refused."""
