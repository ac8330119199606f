"""Every answer carries a request id: the caller's own if it is sane, else a new one."""

import re
import subprocess
import sys

import pytest

from broker.policy.health import OrganizationHealth
from broker.web.context import REQUEST_ID, TRACE_ID
from broker.web.request_id import trace_of
from tests.web.rig import KEY, Rig

NEW = re.compile(r"[0-9a-f]{32}")
FORKED = """
import os
from broker.web.request_id import new_id
print(new_id(), flush=True)
for _ in range(4):
    if not os.fork():
        os.write(1, f"{new_id()}\\n".encode())
        os._exit(0)
    os.wait()
"""
PATHS = ("/token", "/token?x=1", "/nowhere", "/health", "/health/live", "/health/ready")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("key", [None, KEY])
def test_each_answer_has_a_new_one(rig: Rig, path: str, key: str | None) -> None:
    """Good or bad, and no two alike."""
    given = [rig.get(path, key).headers["X-Request-ID"] for _ in range(2)]
    assert all(NEW.fullmatch(one) for one in given)
    assert len(set(given)) == 2


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "sent", ["a", "trace-1.2_3", "x" * 128, "018f3c5e-7b1a-7c00-8000-0123456789ab"]
)
def test_a_sane_one_is_kept(rig: Rig, path: str, sent: str) -> None:
    """So that a request can be followed from service to service."""
    assert rig.get(path, X_Request_ID=sent).headers.getlist("X-Request-ID") == [sent]


@pytest.mark.parametrize(
    "sent",
    [
        "",
        " ",
        "a b",
        " a",
        "x" * 129,
        "x" * 10_000,
        "a,b",
        "a;b",
        '"a"',
        "<b>",
        "a\r\nSet-Cookie: x=y",
        "a\n",
        "a\x00",
        "../a",
        "a/b",
        "\xe9",
        "{}",
    ],
)
def test_any_other_is_replaced(rig: Rig, sent: str) -> None:
    """Nothing of it comes back."""
    response = rig.client.get("/health/live", environ_base={"HTTP_X_REQUEST_ID": sent})
    assert NEW.fullmatch(response.headers["X-Request-ID"])
    assert "Set-Cookie" not in response.headers


def test_an_unforeseen_error_has_the_same_id_as_its_request(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There it is needed most."""
    monkeypatch.setattr(rig.broker, "token", lambda *_, **__: 1 / 0)
    assert rig.get(X_Request_ID="mine").headers["X-Request-ID"] == "mine"


@pytest.mark.parametrize(
    ("sent", "trace"),
    [
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", True),
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", True),
        ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", True),
        ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", False),
        ("00-00000000000000000000000000000000-b7ad6b7169203331-01", False),
        ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", False),
        ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", False),
        ("00-0af7651916cd43dd8448eb211c80319c", False),
        ("", False),
        ("x" * 1000, False),
    ],
)
def test_the_trace_of_a_traceparent(sent: str, *, trace: bool) -> None:
    """As W3C Trace Context writes it; anything else is none."""
    assert (trace_of(sent) == "0af7651916cd43dd8448eb211c80319c") == trace


def test_the_context_is_there_while_a_request_is_worked_on_and_no_longer(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread serves many requests, and gunicorn logs between them."""
    seen: list[tuple[str | None, str | None]] = []

    def look() -> list[OrganizationHealth]:
        seen.append((REQUEST_ID.get(), TRACE_ID.get()))
        return []

    monkeypatch.setattr(rig.broker, "health", look)
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    rig.get("/health", X_Request_ID="one", traceparent=parent)
    rig.get("/health", X_Request_ID="two")
    assert seen == [("one", "0af7651916cd43dd8448eb211c80319c"), ("two", None)]
    assert (REQUEST_ID.get(), TRACE_ID.get()) == (None, None)


@pytest.mark.sockets
def test_no_two_workers_give_the_same() -> None:
    """Though they are forked from one process that may have given some already."""
    ended = subprocess.run(
        [sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=30, check=True
    )
    given = ended.stdout.split()
    assert len(given) == len(set(given)) == 5
    assert all(NEW.fullmatch(one) for one in given)
