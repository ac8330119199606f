"""What does not reach the application is answered like everything else, by gunicorn itself."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.emulator.server import EmulatorServer
from tests.integration.deployment import Deployment
from tests.servers import RedisServer

pytestmark = pytest.mark.sockets

CANARY = "canary-in-the-request"


@pytest.fixture
def deployment(
    tmp_path: Path, emulator: EmulatorServer, valkey: RedisServer
) -> Iterator[Deployment]:
    """Start one broker."""
    settings = {"BROKER_REDIS_PREFIX": "malformed", "BROKER_LOG_LEVEL": "debug"}
    with Deployment(tmp_path, emulator, valkey.url, brokers=1, settings=settings) as fleet:
        fleet.brokers[0].wait_for("/health/live", lambda reply: reply.status == 200)
        yield fleet


def send(deployment: Deployment, request: bytes) -> tuple[str, dict[str, str], bytes]:
    """Send bytes as they are; return status line, headers and body of the answer."""
    with socket.create_connection(("127.0.0.1", deployment.brokers[0].port), timeout=5) as wire:
        wire.sendall(request)
        answer = b""
        while piece := wire.recv(65536):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return status, dict(line.split(": ", 1) for line in lines), body


REQUESTS = {
    "line": (f"GET /token?{CANARY}={'x' * 4000} HTTP/1.1\r\nHost: b\r\n\r\n", 414),
    "header": (f"GET /token HTTP/1.1\r\nX-Long: {CANARY}{'x' * 9000}\r\n\r\n", 431),
    "headers": ("GET /token HTTP/1.1\r\n" + f"X-{CANARY}: 1\r\n" * 80 + "\r\n", 431),
    "no-colon": (f"GET /token HTTP/1.1\r\nAuthorization {CANARY}\r\n\r\n", 400),
    "name": (f"GET /token HTTP/1.1\r\nHost: b\r\nAuthoriz ation: {CANARY}\r\n\r\n", 400),
    "version": (f"GET /token?{CANARY} HTTP/9.9\r\nHost: b\r\n\r\n", 400),
    "noise": (f"{CANARY}\r\n\r\n", 400),
    "coding": (f"GET /token HTTP/1.1\r\nTransfer-Encoding: {CANARY}\r\n\r\n", 501),
    "length": (f"GET /token HTTP/1.1\r\nContent-Length: {CANARY}\r\n\r\n", 400),
}


def test_json_and_no_echo(deployment: Deployment) -> None:
    """A JSON error with a request id, and nothing of the request in answer or log."""
    for name, (request, expected) in REQUESTS.items():
        line, headers, body = send(deployment, request.encode())
        assert line.split()[1] == str(expected), name
        assert headers["Content-Type"] == "application/json", name
        assert headers["Cache-Control"] == "no-store", name
        assert headers["X-Request-ID"], name
        assert json.loads(body)["error"] == "invalid_request", name
        assert CANARY not in body.decode(), name
    assert deployment.brokers[0].terminate() == 0  # it writes all lines that wait
    log = deployment.brokers[0].log()
    assert CANARY not in log
    assert log.count('"request.malformed"') == len(REQUESTS)


def test_refused_requests_for_a_token_leave_one_trace(deployment: Deployment) -> None:
    """By real processes: the audit has the error of the answer, and the metric no outage."""
    long = f"grant_type=client_credentials&x={'y' * 70_000}"
    form = "POST /token HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    end = "Connection: close\r\n"
    requests = {
        f"{form}Host: b\r\n{end}Content-Length: {len(long)}\r\n\r\n{long}": "413",
        f"{form}Host: b\r\n{end}Transfer-Encoding: chunked\r\n\r\n"
        f"{len(long):x}\r\n{long}\r\n0\r\n\r\n": "413",
        f"{form}{end}Content-Length: 0\r\n\r\n": "400",
        f"GET /token HTTP/1.1\r\nX-Long: {'x' * 9000}\r\n\r\n": "431",
    }
    ids = set()
    for request, status in requests.items():
        line, headers, body = send(deployment, request.encode())
        assert (line.split()[1], json.loads(body)["error"]) == (status, "invalid_request")
        ids.add(headers["X-Request-ID"])
    broker = deployment.brokers[0]
    counted = send(deployment, f"GET /metrics HTTP/1.1\r\nHost: b\r\n{end}\r\n".encode())[
        2
    ].decode()
    for outcome, count in (("invalid_request", len(requests)), ("temporarily_unavailable", 0)):
        assert f'requests_total{{outcome="{outcome}",state=""}} {float(count)}' in counted
    assert broker.terminate() == 0
    found = [json.loads(line) for line in broker.log().splitlines()]
    refused = [line for line in found if line.get("log") == "audit" and line["request_id"] in ids]
    assert [line["outcome"] for line in refused] == ["invalid_request"] * len(requests)
