"""The npm package openid-client, as it comes, against a real broker."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.clients.stage import Stage
from tests.clients.tools import fetch, need, run

pytestmark = [pytest.mark.sockets, pytest.mark.timeout(240)]

SOURCE = Path(__file__).parent / "node"
LEAST_NODE = 20
BAD_LOCK = ("EUSAGE", "EINTEGRITY")

Call: TypeAlias = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Return the tool, and a folder with the client and its packages."""
    tool, npm = need("node"), need("npm")
    version = run([tool, "--version"], SOURCE, {}).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < LEAST_NODE:
        pytest.skip(
            f"node is {version}, and the openid-client that is locked needs {LEAST_NODE} or newer"
        )
    folder = tmp_path_factory.mktemp("node") / "client"
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("node_modules"))
    options = ["--ignore-scripts", "--no-audit", "--no-fund"]
    fetch([npm, "ci", *options], folder, {}, BAD_LOCK)
    return tool, folder


@pytest.fixture
def call(node: tuple[str, Path], stage: Stage) -> Call:
    """Return what runs the client: the way to get tokens, the organization, a change of key."""
    tool, folder = node

    def start(way: str, organization: str = "acme", **changes: str) -> dict[str, Any]:
        done = run([tool, "main.mjs", way, organization], folder, stage.environ | changes, 20)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return start


def test_lock_names_no_registry() -> None:
    """The packages come from where the machine gets its packages, and must be these."""
    lock = json.loads((SOURCE / "package-lock.json").read_text())
    packages = {name: one for name, one in lock["packages"].items() if name}
    assert "node_modules/openid-client" in packages
    assert all(re.match("sha512-", one["integrity"]) for one in packages.values())
    assert all("resolved" not in one for one in packages.values())


@pytest.mark.parametrize("way", ["documented", "posted", "pod"])
def test_gets_the_token(call: Call, way: str) -> None:
    """By Basic, in the form and by an assertion, all found through our metadata."""
    assert call(way) == {"organization": "acme", "asked": 1}


def test_renews_the_token(call: Call) -> None:
    """In time."""
    assert call("renewed") == {"organization": "acme", "asked": 2}


def test_goes_on_with_the_token_it_has(call: Call) -> None:
    """While it lives, whatever happens to the broker; not longer."""
    assert call("outage") == {"organization": "acme", "asked": 1}
    assert call("dead") == {"name": "TypeError", "asked": 1}


@pytest.mark.parametrize("way", ["documented", "posted"])
def test_wrong_key(call: Call, way: str) -> None:
    """Is told as the challenge that a 401 carries; our code is in the answer."""
    found = call(way, TOKEN_BROKER_KEY="ctb_wrong")
    assert found["name"] == "WWWAuthenticateChallengeError"
    assert (found["error"], found["status"]) == ("invalid_client", 401)


@pytest.mark.parametrize("way", ["documented", "posted", "pod"])
def test_organization_of_others(call: Call, way: str) -> None:
    """Is the library's error for errors of OAuth 2.0, with our code."""
    found = call(way, "initech")
    assert found["name"] == "ResponseBodyError"
    assert (found["error"], found["status"]) == ("invalid_scope", 400)


@pytest.mark.parametrize("way", ["documented", "posted"])
def test_unavailable(call: Call, way: str) -> None:
    """Is an answer that the library does not expect, and hands on."""
    found = call(way, "umbrella")
    assert found["code"] == "OAUTH_RESPONSE_IS_NOT_CONFORM"
    assert (found["error"], found["status"]) == ("credentials_rejected", 503)
    assert 1 <= int(found["retry_after"]) <= 60
