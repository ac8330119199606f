"""Whatever listens where Canvas or the proxy should be, or nobody."""

import pytest

from tests.canary.conftest import Open
from tests.canary.stage import NEXT_CONSUMER, NEXT_SECRET_KEY, PROXY_PASSWORD, SECRET_KEY
from tests.upstream.scripted import Act, ScriptedServer

pytestmark = [pytest.mark.sockets, pytest.mark.usefixtures("nothing_printed")]

NETWORK: dict[str, list[bytes | float | Act]] = {
    "closed": [],
    "reset": [Act.RESET],
    "noise": [b"\x00\xff noise \r\n\r\n"],
    "echo": [
        f"HTTP/1.1 500 {NEXT_CONSUMER}\r\nX-{NEXT_CONSUMER}: 1\r\nno colon {SECRET_KEY}\r\n"
        f"Set-Cookie: {NEXT_SECRET_KEY}\r\n\r\n{NEXT_CONSUMER}".encode()
    ],
    "redirect": [f"HTTP/1.1 302 Found\r\nLocation: /{NEXT_SECRET_KEY}\r\n\r\n".encode()],
    "chunks": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + SECRET_KEY.encode()],
    "silence": [2.0],
    "JSON": [b'HTTP/1.1 200 OK\r\nContent-Length: 38\r\n\r\n"' + SECRET_KEY.encode() + b'"'],
}


@pytest.mark.parametrize("script", NETWORK)
@pytest.mark.parametrize("way", ["plain", "TLS", "proxy", "tunnel"])
def test_faults_of_the_network(script: str, way: str, opened: Open) -> None:
    """Whatever listens where Canvas or the proxy should be."""
    with ScriptedServer(*NETWORK[script]) as server:
        proxy = f"http://user:{PROXY_PASSWORD}@127.0.0.1:{server.port}"
        settings = {
            "plain": {"BROKER_CANVAS_URL": server.url, "BROKER_CANVAS_ALLOW_HTTP": "true"},
            "TLS": {"BROKER_CANVAS_URL": server.url.replace("http:", "https:")},
            "proxy": {
                "BROKER_CANVAS_URL": "http://canvas.invalid/api",
                "BROKER_CANVAS_ALLOW_HTTP": "true",
                "BROKER_CANVAS_PROXY": proxy,
            },
            "tunnel": {
                "BROKER_CANVAS_URL": "https://canvas.invalid/api",
                "BROKER_CANVAS_PROXY": proxy,
            },
        }
        stage = opened(**settings[way])
        assert stage.get().status_code == 503
        stage.look_around()
    assert stage.errors
    assert stage.leaks() == []


def test_nobody_listens(opened: Open) -> None:
    """The exceptions of the client name the address and the request."""
    stage = opened(BROKER_CANVAS_URL="http://127.0.0.1:1/api")
    assert stage.get().status_code == 503
    stage.look_around()
    assert stage.errors
    assert stage.leaks() == []
