"""golang.org/x/oauth2/clientcredentials, as it comes, against a real broker."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.clients.stage import Stage
from tests.clients.tools import fetch, need, run

pytestmark = [pytest.mark.sockets, pytest.mark.slow, pytest.mark.timeout(480)]

SOURCE = Path(__file__).parent / "go"
LOCAL = {"GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
"""Take the toolchain that is there, and no C compiler. Without a build cache it is slow enough."""
BAD_SUMS = ("checksum mismatch", "SECURITY ERROR", "missing go.sum entry")

Call: TypeAlias = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def go() -> str:
    """Return the tool, with the library at hand."""
    tool = need("go")
    fetch([tool, "mod", "download"], SOURCE, LOCAL, BAD_SUMS)
    return tool


@pytest.fixture(scope="module")
def program(go: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the client."""
    built = tmp_path_factory.mktemp("go") / "client"
    done = run([go, "build", "-buildvcs=false", "-o", str(built), "."], SOURCE, LOCAL)
    assert done.returncode == 0, done.stderr
    return built


@pytest.fixture
def call(program: Path, stage: Stage) -> Call:
    """Return what runs the client: the way to get tokens, the organization, a change of key."""

    def start(way: str, organization: str = "acme", **changes: str) -> dict[str, Any]:
        done = run([str(program), way, organization], SOURCE, stage.environ | changes, 20)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return start


def test_source_is_vetted(go: str) -> None:
    """Nothing that the tools of Go find fault with, and formatted by them."""
    done = run([go, "vet", "./..."], SOURCE, LOCAL)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    done = run([need("gofmt"), "-l", "."], SOURCE, LOCAL)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("way", ["autodetect", "documented", "params", "pod"])
def test_gets_and_keeps_the_token(call: Call, way: str) -> None:
    """Two calls to Canvas, one request for a token; Basic is found at the first try."""
    found = call(way)
    assert (found["organization"], found["asked"]) == ("acme", 1)


def test_renews_a_token_that_expires(call: Call) -> None:
    """The library has read when; here it is told to renew an hour before."""
    found = call("expiring")
    assert (found["organization"], found["asked"]) == ("acme", 2)


@pytest.mark.parametrize("way", ["autodetect", "documented", "params"])
def test_wrong_key(call: Call, way: str) -> None:
    """Is a RetrieveError with our code."""
    found = call(way, TOKEN_BROKER_KEY="ctb_wrong")
    assert (found["error"], found["status"]) == ("invalid_client", 401)


@pytest.mark.parametrize("way", ["autodetect", "documented", "params", "pod"])
def test_organization_of_others(call: Call, way: str) -> None:
    """As well."""
    found = call(way, "initech")
    assert (found["error"], found["status"]) == ("invalid_scope", 400)


def test_wrong_assertion(call: Call, tmp_path: Path) -> None:
    """As well."""
    file = tmp_path / "token"
    file.write_text("no.such.token")
    found = call("pod", TOKEN_BROKER_TOKEN_FILE=str(file))
    assert (found["error"], found["status"]) == ("invalid_grant", 400)


@pytest.mark.parametrize(("way", "asked"), [("autodetect", 4), ("documented", 2), ("params", 2)])
def test_unavailable(call: Call, way: str, asked: int) -> None:
    """Tells when to come back; unless a style is set, each failure is asked for twice."""
    found = call(way, "umbrella")
    assert (found["error"], found["status"]) == ("credentials_rejected", 503)
    assert 1 <= int(found["retry_after"]) <= 60
    assert found["asked"] == asked
