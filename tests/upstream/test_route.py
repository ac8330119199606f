import socket
from contextlib import closing
from http.client import NotConnected

import pytest

from broker.upstream.attempt import AbandonedError, Attempt
from broker.upstream.route import Connection, Route, TlsConnection
from tests.upstream.samples import FakeClock


def connection(base_url: str, proxy: str | None = None) -> Connection:
    """Return an unopened connection along the route."""
    return Route(base_url, proxy=proxy, tls=None).connection(Attempt(FakeClock()), 2.0)


@pytest.mark.parametrize(
    ("base_url", "kind", "host", "port"),
    [
        ("https://canvas.example/api", TlsConnection, "canvas.example", 443),
        ("https://canvas.example:8443/api", TlsConnection, "canvas.example", 8443),
        ("http://127.0.0.1:9000/api", Connection, "127.0.0.1", 9000),
        ("http://[::1]/api", Connection, "::1", 80),
        ("HTTPS://[::1]:8443", TlsConnection, "::1", 8443),
    ],
)
def test_the_url_says_where_and_how(
    base_url: str, kind: type[Connection], host: str, port: int
) -> None:
    """Scheme, host and port of the base URL lead to Canvas."""
    found = connection(base_url)
    assert (type(found), found.host, found.port) == (kind, host, port)


def test_a_connection_is_opened_once() -> None:
    """Writing to one that is not open fails, and does not open it behind the attempt's back."""
    with pytest.raises(NotConnected):
        connection("http://127.0.0.1:1").send(b"GET")


@pytest.mark.sockets
def test_a_connection_is_not_used_after_its_attempt_was_given_up() -> None:
    """The deadline can fall between connecting and sending: not one byte may leave."""
    near, far = socket.socketpair()
    attempt = Attempt(FakeClock())
    found = Route("http://canvas.example", proxy=None, tls=None).connection(attempt, 2.0)
    found.sock = near
    attempt.wait(0)
    with far:
        with closing(found), pytest.raises(AbandonedError):
            found.request("GET", "/")
        assert far.recv(1) == b""


def test_the_path_of_the_base_url_comes_first() -> None:
    """A slash at its end makes no difference."""
    for base_url in ("https://canvas.example/api", "https://canvas.example/api/"):
        route = Route(base_url, proxy=None, tls=None)
        assert route.target("/Authenticate") == "/api/Authenticate"


def test_a_proxy_gets_a_tunnel_for_https() -> None:
    """The proxy sees host and port of Canvas and nothing of the request."""
    found = connection("https://canvas.example/api", "http://proxy.example:3128")
    assert (found.host, found.port) == ("proxy.example", 3128)
    assert found.proxy_is_tunneling
    assert found._tunnel_host == "canvas.example"


def test_a_proxy_gets_the_whole_url_for_http() -> None:
    """Plain http is forwarded, so the target names the host, without any user and password."""
    route = Route("http://u:p@canvas.example:81/api", proxy="http://proxy", tls=None)
    assert route.target("/Authenticate") == "http://canvas.example:81/api/Authenticate"


def test_user_and_password_of_the_proxy_are_sent_to_it() -> None:
    """They are percent-decoded, and only the proxy sees them."""
    proxy = "http://us%40er:pa%3Ass@proxy"
    plain = Route("http://canvas.example", proxy=proxy, tls=None)
    assert plain.extra_headers() == {"proxy-authorization": "Basic dXNAZXI6cGE6c3M="}
    tunnel = Route("https://canvas.example", proxy=proxy, tls=None)
    assert tunnel.extra_headers() == {}


@pytest.mark.parametrize(
    ("base_url", "proxy", "name"),
    [
        ("ftp://canvas.example", None, "the Canvas URL"),
        ("canvas.example/api", None, "the Canvas URL"),
        ("https://", None, "the Canvas URL"),
        ("https://canvas.example:0", None, "the Canvas URL"),
        ("https://canvas.example:99999", None, "the Canvas URL"),
        ("https://[::1", None, "the Canvas URL"),
        ("https://canvas.example", "https://user:hunter2@proxy", "the proxy URL"),
        ("https://canvas.example", "socks5://user:hunter2@proxy", "the proxy URL"),
        ("https://canvas.example", "http://user:hunter2@proxy:x", "the proxy URL"),
    ],
)
def test_an_unusable_url_is_refused_without_showing_it(
    base_url: str, proxy: str | None, name: str
) -> None:
    """The message says which URL it is, and nothing of it, nor does the error behind it."""
    with pytest.raises(ValueError) as found:
        Route(base_url, proxy=proxy, tls=None)
    assert name in str(found.value)
    assert "hunter2" not in str(found.value)
    assert found.value.__context__ is None
