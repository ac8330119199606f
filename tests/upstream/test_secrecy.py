"""Canaries in every place that an upstream call touches, looked for in all that it shows."""

import base64
import json
import logging
import traceback
from collections.abc import Callable
from http.client import HTTPConnection
from urllib.parse import quote

import pytest

from broker.clock import SystemClock
from broker.credentials import Credentials
from broker.errors import UpstreamError
from broker.limits import Limits
from broker.secret import Secret
from broker.tokens import TokenPair
from broker.upstream import LeaseRetry
from broker.upstream.quiet import LOGGERS
from tests.upstream.conftest import MakeClient
from tests.upstream.samples import DATE, HASTY, LIMITS, body, http, instant
from tests.upstream.scripted import Act, ScriptedServer

pytestmark = [pytest.mark.sockets, pytest.mark.usefixtures("no_carrier_left")]

CONSUMER = "beefcafe" * 8
SECRET_KEY = "12345678-90ab-cdef-1234-567890abcdef"
PRESENTED = 'old/refresh+"token=%'
GIVEN = "new-refresh-token"
ACCESS = "access.token.canary"
CANARIES = (CONSUMER, SECRET_KEY, PRESENTED, GIVEN, ACCESS, "127.0.0.1", "RefreshAccessToken")

BODY = {"access_token": f"Bearer {ACCESS}", "refresh_token": GIVEN}
HEAD = b"HTTP/1.1 200 OK\r\n"

FAILURES: dict[str, list[bytes | float | Act]] = {
    "timeout": [HEAD + b"Content-Length: 4000\r\n\r\n" + body(**BODY), 30.0],
    "closed": [],
    "reset": [Act.RESET],
    "truncated": [http(body(**BODY), length=4000)],
    "oversize": [http(body(**BODY) * 20)],
    "protocol": [body(**BODY) + b"\r\n\r\n"],
    "unreadable": [http(body(**BODY)[:-1])],
    "encoding": [http(body(**BODY), "Content-Encoding: gzip")],
    "bad_answer": [
        http(body(access_token=f"{ACCESS} {GIVEN}", refreshTokenExpiresDateTime=0), f"Date: {DATE}")
    ],
    "no_clock": [http(body(**BODY))],
    "expired_on_arrival": [
        http(body(**BODY, accessTokenExpiresDateTime=instant(0)), f"Date: {DATE}")
    ],
    "bad_access_token": [http(body(**BODY, accessTokenExpiresDateTime=ACCESS), f"Date: {DATE}")],
    "status_3xx": [http(body(**BODY), f"Location: /{GIVEN}", status=f"302 {GIVEN}")],
    "status_500": [http(body(**BODY), status="500 Oops")],
    "keys_rejected": [http(body(**BODY), status="401 Unauthorized")],
    "refresh_token_unknown": [http(body(**BODY), status="404 Not Found")],
    "throttled": [http(body(**BODY), "Retry-After: 5", status="429 Slow down")],
}


def leaks(text: str) -> list[str]:
    """Return the canaries that ``text`` shows, raw or in any usual disguise."""
    found = []
    for canary in CANARIES:
        disguises = {
            canary,
            quote(canary),
            quote(canary, safe=""),
            base64.b64encode(canary.encode()).decode().rstrip("="),
            json.dumps(canary)[1:-1],
            repr(canary)[1:-1],
        }
        found += [canary for disguise in disguises if disguise in text]
    return found


def everything(error: BaseException) -> str:
    """Return all that a traceback renderer could show of ``error``, locals included."""
    rendered = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(rendered.format()) + repr(error) + str(error) + repr(vars(error))


def refresh_call(
    make_client: MakeClient, url: str, limits: Limits = LIMITS
) -> Callable[[], TokenPair]:
    """Return a refresh of the client at ``url`` whose frame holds no canary of its own."""
    client = make_client(url, limits)
    credentials = Credentials(Secret(CONSUMER), Secret(SECRET_KEY))
    return lambda: client.refresh(credentials, Secret(PRESENTED))


def caught(call: Callable[[], TokenPair]) -> UpstreamError:
    """Make the call under the retry policy; return what it raises."""
    with pytest.raises(UpstreamError) as found:
        LeaseRetry(LIMITS, SystemClock())(call, 1)
    return found.value


@pytest.mark.parametrize("word", FAILURES)
def test_no_failure_shows_a_secret_or_the_url(
    word: str,
    make_client: MakeClient,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not in the error, its locals or its past, nor in any log or output at any level."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(HTTPConnection, "debuglevel", 1)
    with ScriptedServer(*FAILURES[word]) as server:
        limits = HASTY if word == "timeout" else LIMITS
        error = caught(refresh_call(make_client, server.url, limits))
    assert error.kind == word
    assert (error.__cause__, error.__context__) == (None, None)
    assert leaks(everything(error)) == []
    assert leaks(caplog.text) == []
    assert leaks("".join(capfd.readouterr())) == []


def test_a_failure_before_sending_shows_nothing_either(make_client: MakeClient) -> None:
    """The exceptions of urllib3 name the host; ours do not."""
    error = caught(refresh_call(make_client, "http://127.0.0.1:1"))
    assert error.kind == "connect"
    assert (error.__cause__, error.__context__) == (None, None)
    assert leaks(everything(error)) == []


def test_urllib3_cannot_log_the_url(
    make_client: MakeClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Headers that cannot be parsed make urllib3 warn with the whole URL, if it may."""
    for name in LOGGERS:
        monkeypatch.setattr(logging.getLogger(name), "filters", [])
    caplog.set_level(logging.DEBUG)
    broken = http(body(), f"Date: {DATE}").replace(b"\r\n\r\n", b"\r\nno colon here\r\n\r\n", 1)
    with ScriptedServer(broken) as server:
        refresh_call(make_client, server.url)()
    assert caplog.records == []


def test_the_canaries_would_be_found() -> None:
    """The search itself works: a careless error is caught by it."""
    with pytest.raises(ValueError) as found:
        raise ValueError(quote(PRESENTED, safe=""))
    assert leaks(everything(found.value)) != []
