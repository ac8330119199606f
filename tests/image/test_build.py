"""``image/build`` finds what can build, and hands over what is private as secrets only."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from broker import __version__
from tests.image.built import ROOT, Image, about, run

pytestmark = pytest.mark.sockets

SYSTEM = ("awk", "bash", "cat", "dirname", "git", "mktemp", "rm", "sed")
CANARY = "canary-4b1f6c"
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
SECOND = "localhost/canvas-token-broker-built-twice"


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """Make a folder with all that the script calls, but with nothing that builds images."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in SYSTEM:
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    return folder


def engine(tools: Path, name: str, info: int = 0) -> None:
    """Put a stand-in for an engine there: it says what it is given, and shows its secrets."""
    script = tools / name
    script.write_text(
        "#!/bin/bash\n"
        f'[ "$1" != info ] || exit {info}\n'
        f'printf "%s\\n" {name} "$@"\n'
        'for word; do case $word in id=*) cat "${word#*src=}" ;; esac; done\n'
    )
    script.chmod(0o755)


def build(tools: Path, **environ: str) -> "subprocess.CompletedProcess[str]":
    """Run the script with nothing on its path but ``tools``."""
    return subprocess.run(
        [ROOT / "image" / "build"],
        env={"PATH": str(tools), "HOME": str(tools), "PIP_CONF": "/dev/null", **environ},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_takes_the_first_engine_that_works(tools: Path) -> None:
    """A Docker client without a server is passed over."""
    engine(tools, "docker", info=1)
    engine(tools, "podman")
    engine(tools, "buildah")
    said = build(tools).stdout.splitlines()
    assert said[:3] == [f"podman builds canvas-token-broker:{__version__}", "podman", "build"]


def test_says_when_there_is_no_engine(tools: Path) -> None:
    """One line, and it fails."""
    done = build(tools)
    assert done.returncode == 1
    assert done.stderr == "image/build: none of docker, podman and buildah works here\n"


def test_hands_over_what_was_chosen(tools: Path) -> None:
    """Engine, tag, base, lock and more options; version, revision and time come by themselves."""
    engine(tools, "docker")
    engine(tools, "buildah")
    chosen = {"ENGINE": "buildah", "TAG": "mine:1", "BASE": "mirror/python", "LOCK": "x.lock"}
    said = build(tools, **chosen, OPTIONS="--pull-never --quiet").stdout.splitlines()
    assert said[1] == "buildah"
    assert said[said.index("--tag") + 1] == "mine:1"
    assert {"BASE_IMAGE=mirror/python", "LOCK=x.lock", f"VERSION={__version__}"} <= set(said)
    assert [line for line in said if re.match(r"CREATED=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", line)]
    assert said[-3:] == ["--pull-never", "--quiet", "."]


@pytest.mark.parametrize(
    ("name", "warned"),
    [
        ("registry.example/python:3.11", True),
        (f"registry.example/python:3.11@sha256:{'0' * 64}", False),
        ("localhost/python-debian", False),
    ],
)
def test_tells_of_a_base_that_may_change(tools: Path, name: str, warned: bool) -> None:
    """One that was made on this machine is nobody else's to change."""
    engine(tools, "docker")
    done = build(tools, BASE=name)
    assert done.returncode == 0
    assert ("image/pin" in done.stderr) == warned


def test_private_settings_are_secrets(tools: Path, tmp_path: Path) -> None:
    """Those in variables as well: none of them is in an argument."""
    engine(tools, "docker")
    authorities = tmp_path / "ca.pem"
    authorities.write_text(f"authority {CANARY}\n")
    url = f"https://user:{CANARY}@registry.example/simple"
    said = build(tools, PIP_CONF="", PIP_INDEX_URL=url, SSL_CERT_FILE=str(authorities)).stdout
    arguments, shown = said.split("\n.\n")
    assert CANARY not in arguments
    assert shown == f"[global]\nindex-url = {url}\nauthority {CANARY}\n"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_secrets_leave_no_trace_and_a_second_build_is_the_same(
    image: Image, tmp_path: Path
) -> None:
    """Built again with other secrets, the image has the same layers, bit by bit."""
    authorities = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE") or AUTHORITIES
    secrets = {"PIP_CONF": Path("/etc/pip.conf"), "CA_BUNDLE": Path(authorities)}
    for name, file in secrets.items():
        text = file.read_text() if file.exists() else ""
        (tmp_path / name).write_text(f"{text}\n# {CANARY}\n")
    environ = {
        "ENGINE": "buildah",
        "TAG": SECOND,
        "BASE": image.config["Labels"]["org.opencontainers.image.base.name"],
        "OPTIONS": "--pull-never --quiet --no-cache",
        **{name: str(tmp_path / name) for name in secrets},
    }
    try:
        run(ROOT / "image" / "build", **{"BUILDAH_ISOLATION": "chroot", **os.environ, **environ})
        again = about(SECOND)
    finally:
        run("buildah", "rmi", "--force", SECOND)
    assert again["rootfs"] == image.about["rootfs"]
    assert len(again["rootfs"]["diff_ids"]) == 2
    assert CANARY not in json.dumps(again)
