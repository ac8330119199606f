"""The curl lines of docs/clients.md, to the letter."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients import page
from tests.clients.stage import Stage
from tests.clients.tools import need, run

pytestmark = pytest.mark.sockets

LINES = page.blocks("sh")


def answer(line: str, folder: Path, stage: Stage, **changes: str) -> dict[str, Any]:
    """Run a line in a caller's environment; return the body that curl printed."""
    need("curl")
    done = run(["sh", "-euc", line], folder, stage.environ | changes, 20)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def lines(part: str) -> list[str]:
    """Return the lines that have this part."""
    return [line for line in LINES if part in line]


@pytest.mark.parametrize("line", lines("/token"))
def test_each_gives_the_token(line: str, stage: Stage, tmp_path: Path) -> None:
    """One that Canvas takes."""
    body = answer(line, tmp_path, stage)
    assert body["organization"] == "acme"
    assert stage.deployment.is_alive(body["access_token"])


def test_every_way_is_shown() -> None:
    """By Bearer and by form, with a key and with a service-account token, and the report."""
    for part in ("Bearer $TOKEN_BROKER_KEY", "-u ", "assertion@", "Bearer $(cat ", "rejected="):
        assert lines(part), part
    assert len(LINES) == len(lines("/token")) + len(lines("/.well-known/"))


def test_the_report(stage: Stage, tmp_path: Path) -> None:
    """The generation is read from the environment: the current one is not given again."""
    (line,) = lines("rejected=")
    current = stage.current().body["generation"]
    body = answer(line, tmp_path, stage, GENERATION=str(current))
    assert body["generation"] > current


def test_the_metadata(stage: Stage, tmp_path: Path) -> None:
    """Names the token endpoint."""
    (line,) = lines("/.well-known/")
    assert answer(line, tmp_path, stage)["token_endpoint"] == stage.token_endpoint


@pytest.mark.parametrize("line", lines("/token"))
def test_wrong_credentials(line: str, stage: Stage, tmp_path: Path) -> None:
    """Are told as an error: the line did show what it was given."""
    file = tmp_path / "token"
    file.write_text("no.such.token")
    changes = {"TOKEN_BROKER_KEY": "ctb_wrong", "TOKEN_BROKER_TOKEN_FILE": str(file)}
    body = answer(line, tmp_path, stage, **changes)
    assert body["error"] in {"invalid_token", "invalid_client", "invalid_grant"}
