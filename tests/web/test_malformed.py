"""What does not reach the application is answered in JSON, and nothing of it is repeated."""

import io
import json
import logging
import socket
import ssl
from typing import Any

import pytest
from gunicorn.http import errors

from broker.web.malformed import BrokenBodyError, MalformedRequests, about, read_body
from broker.web.token_request import LONGEST_BODY
from tests.web.rig import Rig

CANARY = "canary-in-the-request"


def refused(error: Exception) -> tuple[str, dict[str, str], bytes]:
    """Refuse over a pair of sockets; return status line, headers and body of the answer."""
    broker, caller = socket.socketpair()
    with broker, caller:
        MalformedRequests(Rig().desk).refuse(broker, ("203.0.113.9", 1), error)
        broker.shutdown(socket.SHUT_WR)
        head, _, body = caller.recv(65536).partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return status, dict(line.split(": ", 1) for line in lines if line), body


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.LimitRequestLine(1, 1), "414"),
        (errors.LimitRequestHeaders(CANARY), "431"),
        (errors.UnsupportedTransferCoding(CANARY), "501"),
        (errors.InvalidHeader(CANARY), "400"),
        (errors.InvalidRequestLine(CANARY), "400"),
        (BrokenBodyError(CANARY), "400"),
    ],
)
def test_the_fault_of_the_request(
    error: Exception, status: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its own status, and one quiet line that tells who it was."""
    caplog.set_level(logging.DEBUG)
    line, headers, body = refused(error)
    assert line.split()[1] == status
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
    assert record.__dict__["remote"] == "203.0.113.9"


@pytest.mark.parametrize("error", [ssl.SSLEOFError(8, CANARY), ssl.SSLZeroReturnError(6, CANARY)])
def test_a_peer_that_left_during_the_handshake(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """It is neither answered nor logged, by whichever class Python tells it."""
    caplog.set_level(logging.DEBUG)
    assert refused(error) == ("", {}, b"")
    assert not caplog.records


@pytest.mark.parametrize(
    "error",
    [RuntimeError(CANARY), getattr(errors, "InvalidResponseHeader")(CANARY)],  # noqa: B009  # older types
)
def test_the_fault_of_the_broker(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """503 and an error in the log, still without a word of it."""
    line, headers, body = refused(error)
    assert line.split()[1] == "503"
    assert headers["Retry-After"] == "1"
    assert json.loads(body)["error"] == "temporarily_unavailable"
    assert CANARY not in body.decode() + caplog.text
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_a_failed_handshake_gets_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    """There is nothing yet to answer with."""
    caplog.set_level(logging.DEBUG)
    assert refused(ssl.SSLError(1, CANARY)) == ("", {}, b"")
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert CANARY not in caplog.text


def test_a_caller_that_is_gone() -> None:
    """Nobody is there to be answered."""
    broker, caller = socket.socketpair()
    caller.close()
    with broker:
        MalformedRequests(Rig().desk).refuse(broker, ("203.0.113.9", 1), BrokenBodyError())


@pytest.mark.parametrize("addr", [None, "", b"", ()])
def test_a_unix_socket_has_no_remote(addr: object) -> None:
    """The line says so."""
    assert about("x", addr) == {"error": "x", "remote": ""}


class Failing(io.BytesIO):
    """A body whose reading fails."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def read(self, size: int | None = -1, /) -> bytes:
        """Fail."""
        raise self._error


def environ(body: io.BytesIO, length: str | None = None) -> dict[str, Any]:
    """Return what gunicorn gives an application."""
    return {"wsgi.input": body} | ({} if length is None else {"CONTENT_LENGTH": length})


@pytest.mark.parametrize("length", [None, "", "5"])
def test_body(length: str | None) -> None:
    """All of it, announced or in chunks."""
    assert read_body(environ(io.BytesIO(b"hello"), length)) == b"hello"
    assert read_body(environ(io.BytesIO(), None)) == b""


def test_longest_body() -> None:
    """A longer one is not read when it is announced, else only far enough to be refused."""
    longest = b"x" * LONGEST_BODY
    assert read_body(environ(io.BytesIO(longest), str(LONGEST_BODY))) == longest
    assert len(read_body(environ(io.BytesIO(longest * 2)))) == LONGEST_BODY + 1
    unread = Failing(RuntimeError())
    assert len(read_body(environ(unread, str(LONGEST_BODY + 1)))) == LONGEST_BODY + 1


@pytest.mark.parametrize(
    "name",
    ["NoMoreData", "ChunkMissingTerminator", "InvalidChunkSize", "InvalidChunkExtension"],
)
def test_broken_body(name: str) -> None:
    """The same error whatever is wrong, and it takes nothing of the body along."""
    body = Failing(getattr(errors, name)(CANARY.encode()))
    with pytest.raises(BrokenBodyError) as broken:
        read_body(environ(body))
    assert broken.value.__cause__ is None
    assert broken.value.__suppress_context__


def test_body_that_is_short() -> None:
    """The caller announced more."""
    with pytest.raises(BrokenBodyError):
        read_body(environ(io.BytesIO(b"hell"), "5"))
