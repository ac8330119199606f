"""What does not reach the application is answered in JSON, and nothing of it is repeated."""

import json
import logging

import pytest
from gunicorn.asgi import parser as errors

from broker.web.malformed import MOST_LINES, MalformedRequests
from broker.web.reading import BrokenBodyError
from tests.web.rig import Rig

CANARY = "canary-in-the-request"
REMOTE = "203.0.113.9"


class Now:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def now() -> Now:
    """Return a clock."""
    return Now()


@pytest.fixture
def malformed(now: Now) -> MalformedRequests:
    """Return what answers."""
    return MalformedRequests(Rig().desk, now=now)


@pytest.fixture(autouse=True)
def _hear(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


def parts(answer: bytes) -> tuple[str, dict[str, str], bytes]:
    """Return status, headers and body."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return status.split()[1], dict(line.split(": ", 1) for line in lines if line), body


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.LimitRequestLine(CANARY), "414"),
        (errors.LimitRequestHeaders(CANARY), "431"),
        (errors.UnsupportedTransferCoding(CANARY), "501"),
        (errors.InvalidHeader(CANARY), "400"),
        (errors.InvalidRequestLine(CANARY), "400"),
        (errors.InvalidChunkSize(CANARY), "400"),
        (errors.ParseError(CANARY), "400"),
        (BrokenBodyError(CANARY), "400"),
    ],
)
def test_the_fault_of_the_request(
    malformed: MalformedRequests,
    error: Exception,
    status: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its own status, and one quiet line that tells who it was."""
    told, headers, body = parts(malformed.refuse(error, REMOTE))
    assert told == status
    assert headers.items() >= {
        ("Connection", "close"),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
    }
    assert len(headers["X-Request-ID"]) == 32
    assert json.loads(body)["error"] == "invalid_request"
    assert CANARY not in body.decode() + caplog.text
    record = caplog.records[0]
    assert (record.levelname, record.message) == ("INFO", "request.malformed")
    assert record.__dict__["error"] == type(error).__name__
    assert record.__dict__["remote"] == REMOTE


@pytest.mark.parametrize("error", [RuntimeError(CANARY), ValueError(CANARY)])
def test_the_fault_of_the_broker(
    malformed: MalformedRequests, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """503 and an error in the log, still without a word of it."""
    status, headers, body = parts(malformed.refuse(error, REMOTE))
    assert (status, headers["Retry-After"]) == ("503", "1")
    assert json.loads(body)["error"] == "temporarily_unavailable"
    assert CANARY not in body.decode() + caplog.text
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_noise_fills_no_log(
    malformed: MalformedRequests, now: Now, caplog: pytest.LogCaptureFixture
) -> None:
    """So many lines in a second; the next one says for how many others it stands."""
    for _ in range(MOST_LINES + 7):
        malformed.note("TooSlow", REMOTE)
    assert len(caplog.records) == MOST_LINES
    now.now += 1
    for _ in range(2):
        malformed.note("TooSlow", REMOTE)
    untold = [vars(one).get("untold") for one in caplog.records[-2:]]
    assert untold == [7, None]
