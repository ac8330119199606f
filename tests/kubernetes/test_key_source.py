import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from broker.files.authorities import watch_authorities
from broker.files.tls import contexts
from broker.kubernetes import key_source
from broker.kubernetes.failure import KeysError
from broker.kubernetes.fetching import Fetch
from broker.kubernetes.key_source import BODY_LIMIT, KeySource
from tests.kubernetes.cluster import Cluster
from tests.redis.certificates import Authority
from tests.redis.nodes import wait_until

pytestmark = pytest.mark.sockets

SLOWEST = 5.0
HOST = "127.0.0.1"


@pytest.fixture
def source(cluster: Cluster) -> KeySource:
    """Return the source of the cluster's keys."""
    return KeySource(cluster.jwks_url, token=cluster.own_token, token_host=HOST, tls=cluster.tls)


def failure(source: KeySource) -> str:
    """Fetch in vain, quickly; return the word for it."""
    began = time.monotonic()
    with pytest.raises(KeysError) as found:
        source.fetch()
    assert time.monotonic() - began < SLOWEST
    assert found.value.__cause__ is None
    assert found.value.__context__ is None
    assert str(found.value) == found.value.failure
    return found.value.failure


def test_the_document_is_fetched_with_the_own_token(cluster: Cluster, source: KeySource) -> None:
    """As the Bearer that the API server wants."""
    assert source.fetch() == cluster.document()
    (request,) = cluster.requests
    assert request.path == "/openid/v1/jwks"
    assert request.headers["authorization"] == f"Bearer {cluster.own_token_file.read_text()}"


@pytest.mark.parametrize(
    "host", ["kubernetes.default.svc", "localhost", "127.0.0.11", "127.0.0", ""]
)
def test_another_host_is_not_shown_the_own_token(cluster: Cluster, host: str) -> None:
    """The file is not even read: keys that somebody else publishes are for everybody."""
    cluster.own_token_file.unlink()
    cluster.answer_with(cluster.document())
    source = KeySource(cluster.jwks_url, token=cluster.own_token, token_host=host, tls=cluster.tls)
    assert source.fetch() == cluster.document()
    (request,) = cluster.requests
    assert "authorization" not in request.headers


def test_the_own_token_is_read_anew_for_each_fetch(cluster: Cluster, source: KeySource) -> None:
    """The kubelet renews it, and the old one is refused some day."""
    source.fetch()
    renewed = cluster.renew_own_token()
    assert source.fetch() == cluster.document()
    assert cluster.requests[-1].headers["authorization"] == f"Bearer {renewed}"


def test_another_authority_is_not_trusted(cluster: Cluster, tmp_path: Path) -> None:
    """The own token is not shown to a server that cannot prove who it is."""
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other", "other-ca")
    for tls in (lambda: ssl.create_default_context(cafile=other.file), None):
        source = KeySource(cluster.jwks_url, token=cluster.own_token, token_host=HOST, tls=tls)
        assert failure(source) == "tls"
    assert cluster.requests == []


def test_the_name_in_the_certificate_counts(cluster: Cluster) -> None:
    """A certificate of the right authority for another name is not enough."""
    url = cluster.jwks_url.replace("127.0.0.1", "localhost")
    source = KeySource(url, token=cluster.own_token, token_host=HOST, tls=cluster.tls)
    assert failure(source) == "tls"
    assert cluster.requests == []


def test_a_new_authority_is_trusted_without_restart(cluster: Cluster, tmp_path: Path) -> None:
    """The file with the authorities is watched; what breaks leaves the last good ones in use."""
    bundle = tmp_path / "bundle.pem"
    (tmp_path / "other").mkdir()
    bundle.write_bytes(Authority(tmp_path / "other", "other-ca").file.read_bytes())
    watched = watch_authorities("CA_FILE", bundle)
    source = KeySource(
        cluster.jwks_url, token=cluster.own_token, token_host=HOST, tls=contexts(watched)
    )
    assert failure(source) == "tls"
    bundle.write_bytes(cluster.ca_file.read_bytes())
    assert watched.poll().reloaded
    assert source.fetch() == cluster.document()
    bundle.write_text("no certificate")
    assert watched.poll().problems == ("CA_FILE must hold certificates in PEM",)
    assert source.fetch() == cluster.document()


@pytest.mark.parametrize(
    ("misbehave", "word"),
    [
        (lambda cluster: cluster.answer_with(status=500), "status"),
        (lambda cluster: cluster.answer_with(cluster.document(), status=203), "status"),
        (lambda cluster: cluster.answer_with(status=401), "forbidden"),
        (lambda cluster: cluster.answer_with(status=403), "forbidden"),
        (lambda cluster: cluster.answer_with(b"x" * (BODY_LIMIT + 1)), "oversize"),
        (lambda cluster: cluster.answer_with(b"{}", headers={"Content-Length": "9"}), "broken"),
        (lambda cluster: cluster.answer_with(b'{"keys":', drip="body"), "timeout"),
        (lambda cluster: cluster.answer_with(drip="header"), "timeout"),
        (lambda cluster: cluster.stop(), "connect"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_way_to_misbehave_has_its_word(
    cluster: Cluster, source: KeySource, misbehave: Callable[[Cluster], None], word: str
) -> None:
    """And ends within the deadline, a dripping server included."""
    misbehave(cluster)
    assert failure(source) == word


def test_a_server_that_does_not_speak_is_not_waited_for(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes the connection and leaves it at that: connecting has a limit of its own."""
    monkeypatch.setattr(key_source, "FETCH_TIMEOUT", 10.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        source = KeySource(url, token=cluster.own_token, token_host=HOST, tls=cluster.tls)
        assert failure(source) == "timeout"


def test_giving_up_on_a_fetch_ends_its_connection() -> None:
    """Also one that is in the middle of reading."""
    fetch = Fetch()
    ours, theirs = socket.socketpair()
    theirs.settimeout(5)
    with ours, theirs:
        assert fetch.hold(ours) is ours
        assert isinstance(fetch.wait(0), KeysError)
        assert theirs.recv(1) == b""
    fetch.finish(b"late")


def test_a_fetch_that_was_given_up_sends_nothing_later() -> None:
    """A name that resolves too late leads to no connection: it is closed at once."""
    fetch = Fetch()
    assert isinstance(fetch.wait(0), KeysError)
    ours, theirs = socket.socketpair()
    theirs.settimeout(5)
    with ours, theirs:
        with pytest.raises(TimeoutError):
            fetch.hold(ours)
        assert theirs.recv(1) == b""
    fetch.finish(b"late")
    outcome = fetch.wait(0)
    assert isinstance(outcome, KeysError)
    assert outcome.failure == "timeout"


def test_the_longest_document_is_taken(cluster: Cluster, source: KeySource) -> None:
    """The limit itself is allowed."""
    cluster.answer_with(b"x" * BODY_LIMIT)
    assert len(source.fetch()) == BODY_LIMIT


def test_no_redirect_is_followed(cluster: Cluster, source: KeySource) -> None:
    """The own token goes to the one address that was configured."""
    cluster.answer_with(status=302, headers={"Location": f"{cluster.jwks_url}/elsewhere"})
    assert failure(source) == "status"
    assert len(cluster.requests) == 1


def test_the_environments_proxies_are_not_used(
    cluster: Cluster, source: KeySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API server is inside the cluster, the proxy most often is not."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert source.fetch() == cluster.document()


def test_a_header_that_cannot_be_read_is_not_logged(
    cluster: Cluster, source: KeySource, caplog: pytest.LogCaptureFixture
) -> None:
    """A server could send our own token back in it."""
    cluster.answer_with(b"{}", headers={"X-Odd\r\ncanary": "x"})
    source.fetch()
    assert caplog.records == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "kubernetes.default.svc",
        "ftp://host/jwks",
        "https:///jwks",
        "https://host:port/",
        "https://canary:canary@host/jwks",
        "https://[/",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_at_once(cluster: Cluster, url: str) -> None:
    """Without showing it."""
    with pytest.raises(ValueError, match="the JWKS URL must be") as found:
        KeySource(url, token=cluster.own_token, token_host=HOST, tls=None)
    assert "canary" not in str(found.value)
    assert found.value.__context__ is None


def test_a_name_server_that_is_silent(monkeypatch: pytest.MonkeyPatch, source: KeySource) -> None:
    """No caller waits for it, and one thread does, however often the keys are wanted."""
    asked_by: list[str] = []
    answers, lookup = threading.Event(), socket.getaddrinfo

    def silent(*arguments: Any, **options: Any) -> Any:
        asked_by.append(threading.current_thread().name)
        assert answers.wait(60)
        return lookup(*arguments, **options)

    monkeypatch.setattr(key_source, "FETCH_TIMEOUT", 0.05)
    monkeypatch.setattr(socket, "getaddrinfo", silent)
    assert [failure(source) for _ in range(3)] == ["timeout"] * 3
    assert asked_by == ["jwks-fetch"]
    answers.set()
    monkeypatch.undo()
    wait_until(lambda: fetches(source))


def fetches(source: KeySource) -> bool:
    """Tell whether the document is fetched."""
    try:
        return bool(source.fetch())
    except KeysError:
        return False
