"""How the image wants to be started, and what it says of itself."""

import json
import re
import subprocess
import sysconfig
from pathlib import Path

import pytest

from broker import __version__
from tests.image.built import ROOT, Image

pytestmark = [pytest.mark.sockets, pytest.mark.slow]

LABEL = "org.opencontainers.image."
SECRETIVE = re.compile(r"key|secret|password|passwd|credential|https?://[^/\s]*@", re.IGNORECASE)


def test_hadolint_finds_nothing() -> None:
    """The Dockerfile has no exceptions from the linter's rules."""
    hadolint = Path(sysconfig.get_path("scripts"), "hadolint")
    command = [hadolint, ROOT / "Dockerfile"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.returncode) == ("", 0)
    assert "hadolint ignore" not in (ROOT / "Dockerfile").read_text()


def test_user_is_a_number(image: Image) -> None:
    """Kubernetes can tell that it is not root only from a number."""
    assert image.config["User"] == "65532:65532"


def test_command(image: Image) -> None:
    """Without a shell; other commands take the place of ``serve``."""
    assert image.config["Entrypoint"] == ["/opt/broker/bin/broker"]
    assert image.config["Cmd"] == ["serve"]
    assert list(image.config["ExposedPorts"]) == ["8080/tcp"]


def test_labels(image: Image) -> None:
    """Name, version, revision, time and base are told."""
    labels = {k.removeprefix(LABEL): v for k, v in image.config["Labels"].items() if LABEL in k}
    assert labels["title"] == "canvas-token-broker"
    assert labels["version"] == __version__
    assert re.fullmatch(r"[0-9a-f]{40}(-modified)?|unknown", labels["revision"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", labels["created"])
    assert {"description", "base.name"} <= labels.keys()


def test_environment(image: Image) -> None:
    """It listens to the outside and shares files in ``/tmp``; all else is for who runs it."""
    ours = {name: value for name, value in image.environ.items() if name.startswith("BROKER_")}
    assert ours == {"BROKER_BIND": "0.0.0.0:8080", "BROKER_RUNTIME_DIR": "/tmp/broker"}


def test_one_arena(image: Image) -> None:
    """Threads of one interpreter take turns; an arena for each some would only hold memory."""
    assert image.environ["MALLOC_ARENA_MAX"] == "1"


def test_no_secret_in_configuration_and_history(image: Image) -> None:
    """Neither in a variable, a label nor in how it was built."""
    assert SECRETIVE.findall(json.dumps(image.about)) == []
