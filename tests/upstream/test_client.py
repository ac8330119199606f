import pytest

from broker.errors import (
    AmbiguousError,
    KeysRejectedError,
    NotSentError,
    RefreshTokenUnknownError,
    ThrottledError,
)
from broker.ports import Upstream
from broker.secret import Secret
from tests.upstream.conftest import MakeClient
from tests.upstream.samples import (
    ACCESS_TOKEN,
    CREDENTIALS,
    DATE,
    REFRESH_TOKEN,
    body,
    http,
)
from tests.upstream.scripted import ScriptedServer

pytestmark = [pytest.mark.sockets, pytest.mark.usefixtures("no_carrier_left")]

GOOD = http(body(), f"Date: {DATE}")


def test_authenticate_asks_as_documented(make_client: MakeClient) -> None:
    """Path and headers are those of canvas-api.md, and nothing compresses the answer."""
    with ScriptedServer(GOOD) as server:
        upstream: Upstream = make_client(server.url)
        pair = upstream.authenticate(CREDENTIALS)
    assert (pair.access_token, pair.lifetime) == (Secret(ACCESS_TOKEN), 899)
    (request,) = server.received
    line, *headers = request.decode().rstrip().split("\r\n")
    assert line == "GET /api/Authenticate HTTP/1.1"
    assert {
        f"Host: 127.0.0.1:{server.port}",
        "Accept: application/json",
        "Content-Type: application/json",
        f"Consumer: {CREDENTIALS.consumer.reveal()}",
        f"SecretKey: {CREDENTIALS.secret_key.reveal()}",
        "Accept-Encoding: identity",
        "Connection: close",
    } <= set(headers)


@pytest.mark.parametrize(
    ("token", "query"),
    [
        (REFRESH_TOKEN, REFRESH_TOKEN),
        ("a/b+c=&d?e#f%g", "a%2Fb%2Bc%3D%26d%3Fe%23f%25g"),
    ],
)
def test_refresh_presents_the_token_in_the_query(
    make_client: MakeClient, token: str, query: str
) -> None:
    """Percent-encoded, so that any token arrives as it was given."""
    with ScriptedServer(GOOD) as server:
        pair = make_client(server.url).refresh(CREDENTIALS, Secret(token))
    assert pair.refresh is not None
    assert pair.refresh.value == Secret(REFRESH_TOKEN)
    line = server.received[0].decode().split("\r\n")[0]
    assert line == f"GET /api/RefreshAccessToken?refreshToken={query} HTTP/1.1"


def test_a_401_rejects_the_keys(make_client: MakeClient) -> None:
    """Whichever call it answers."""
    with ScriptedServer(http(b"", status="401 Unauthorized")) as server:
        client = make_client(server.url)
        with pytest.raises(KeysRejectedError):
            client.authenticate(CREDENTIALS)
        with pytest.raises(KeysRejectedError):
            client.refresh(CREDENTIALS, Secret(REFRESH_TOKEN))


def test_a_404_means_another_thing_to_each_call(make_client: MakeClient) -> None:
    """The refresh token is unknown; an authenticate knows of no 404."""
    with ScriptedServer(http(b"", status="404 Not Found")) as server:
        client = make_client(server.url)
        with pytest.raises(RefreshTokenUnknownError):
            client.refresh(CREDENTIALS, Secret(REFRESH_TOKEN))
        with pytest.raises(AmbiguousError):
            client.authenticate(CREDENTIALS)


def test_a_429_carries_its_pause(make_client: MakeClient) -> None:
    """Retry-After reaches the policy."""
    with (
        ScriptedServer(http(b"", "Retry-After: 17", status="429 Slow down")) as server,
        pytest.raises(ThrottledError) as found,
    ):
        make_client(server.url).authenticate(CREDENTIALS)
    assert found.value.retry_after == 17


def test_html_with_status_200_is_ambiguous(make_client: MakeClient) -> None:
    """A page where JSON should be."""
    with (
        ScriptedServer(http(b"<html>", "Content-Type: text/html")) as server,
        pytest.raises(AmbiguousError) as found,
    ):
        make_client(server.url).authenticate(CREDENTIALS)
    assert found.value.kind == "unreadable"


def test_the_environments_proxies_are_ignored(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Secrets go where the settings say and nowhere else."""
    with ScriptedServer(GOOD) as proxy, ScriptedServer(GOOD) as server:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        make_client(server.url).authenticate(CREDENTIALS)
    assert proxy.received == []


def test_an_explicit_proxy_forwards_plain_http(make_client: MakeClient) -> None:
    """The proxy gets the whole URL and its own password."""
    with ScriptedServer(GOOD) as proxy:
        client = make_client(
            "http://canvas.invalid/api", proxy=f"http://user:pass@127.0.0.1:{proxy.port}"
        )
        client.authenticate(CREDENTIALS)
    text = proxy.received[0].decode()
    assert text.startswith("GET http://canvas.invalid/api/Authenticate HTTP/1.1\r\n")
    assert "\r\nHost: canvas.invalid\r\n" in text
    assert "\r\nproxy-authorization: Basic dXNlcjpwYXNz\r\n" in text


def test_a_proxy_that_changes(make_client: MakeClient) -> None:
    """Each request takes the one of its moment, with its password."""
    with ScriptedServer(GOOD) as first, ScriptedServer(GOOD) as second:
        urls = [f"http://user:old@127.0.0.1:{first.port}"]
        client = make_client("http://canvas.invalid/api", proxy=lambda: urls[-1])
        client.authenticate(CREDENTIALS)
        urls.append(f"http://user:pass@127.0.0.1:{second.port}")
        client.authenticate(CREDENTIALS)
    assert (len(first.received), len(second.received)) == (1, 1)
    assert b"\r\nproxy-authorization: Basic dXNlcjpwYXNz\r\n" in second.received[0]


def test_a_proxy_that_refuses_the_tunnel_is_definite(make_client: MakeClient) -> None:
    """It saw where the request would go, and nothing of the request."""
    refusal = b"HTTP/1.0 407 Proxy Authentication Required\r\n\r\n"
    with ScriptedServer(refusal) as proxy:
        client = make_client("https://canvas.invalid/api", proxy=f"http://127.0.0.1:{proxy.port}")
        with pytest.raises(NotSentError) as found:
            client.refresh(CREDENTIALS, Secret(REFRESH_TOKEN))
    assert found.value.kind == "proxy"
    (request,) = proxy.received
    assert request.startswith(b"CONNECT canvas.invalid:443 ")
    assert CREDENTIALS.consumer.reveal().encode() not in request
    assert REFRESH_TOKEN.encode() not in request


def test_a_proxy_that_is_not_there_is_definite(make_client: MakeClient) -> None:
    """Nothing was sent to it."""
    client = make_client("http://canvas.invalid/api", proxy="http://127.0.0.1:1")
    with pytest.raises(NotSentError) as found:
        client.authenticate(CREDENTIALS)
    assert found.value.kind == "connect"
