"""``image/pin`` writes the digest of the base image into the Dockerfile."""

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.image.built import ROOT

SYSTEM = ("cut", "rm", "sed", "sha256sum", "mktemp", "cat", "dirname", "bash")
MANIFEST = '{"schemaVersion": 2, "manifests": []}'
DIGEST = hashlib.sha256(MANIFEST.encode()).hexdigest()
TAG = "docker.io/library/python:3.11-slim-bookworm"
OTHER = "registry.example:5000/mirror/python:3.12-slim"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a copy of what the script reads, and the programs that it calls."""
    (tmp_path / "image").mkdir()
    shutil.copy(ROOT / "image" / "pin", tmp_path / "image")
    shutil.copy(ROOT / "Dockerfile", tmp_path)
    (tmp_path / "bin").mkdir()
    for name in SYSTEM:
        found = shutil.which(name)
        assert found is not None
        (tmp_path / "bin" / name).symlink_to(found)
    return tmp_path


def registry(checkout: Path, program: str, manifest: str = MANIFEST) -> None:
    """Put a stand-in there that says what it was asked, on standard error, and one manifest."""
    script = checkout / "bin" / program
    script.write_text(
        '#!/bin/bash\n[ "$2" != version ] || exit 0\n'
        f"echo {program} $@ >&2\nprintf %s '{manifest}'\n"
    )
    script.chmod(0o755)


def pin(checkout: Path, **environ: str) -> "subprocess.CompletedProcess[str]":
    """Run the script with nothing else on its path."""
    environ = {"PATH": f"{checkout}/bin", **environ}
    command = [checkout / "image" / "pin"]
    return subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=30, check=False
    )


def base(checkout: Path) -> str:
    """Return the base image that the Dockerfile names; all else in it is as it was."""
    text, original = (folder.joinpath("Dockerfile").read_text() for folder in (checkout, ROOT))
    line = re.compile(r"^ARG BASE_IMAGE=(.*)$", re.MULTILINE)
    assert line.sub("", text) == line.sub("", original)
    (found,) = line.findall(text)
    return str(found)


def test_the_dockerfile_is_pinned() -> None:
    """A tag can come to mean another image."""
    assert re.fullmatch(re.escape(TAG) + r"@sha256:[0-9a-f]{64}", base(ROOT))


@pytest.mark.parametrize(
    ("program", "asked"),
    [("skopeo", "inspect --raw docker://"), ("docker", "buildx imagetools inspect --raw ")],
)
def test_the_digest_is_that_of_the_manifest(checkout: Path, program: str, asked: str) -> None:
    """As the registry has it now; pinned already, the tag is asked for again."""
    registry(checkout, program)
    for _ in range(2):
        done = pin(checkout)
        assert (done.returncode, done.stdout) == (0, f"Dockerfile: {TAG}@sha256:{DIGEST}\n")
        assert done.stderr == f"{program} {asked}{TAG}\n"
        assert base(checkout) == f"{TAG}@sha256:{DIGEST}"


def test_another_image(checkout: Path) -> None:
    """From a mirror, whose host may have a port."""
    registry(checkout, "skopeo")
    assert pin(checkout, BASE=OTHER).returncode == 0
    assert base(checkout) == f"{OTHER}@sha256:{DIGEST}"


def test_nothing_is_made_up(checkout: Path) -> None:
    """Without a program, without an answer and without a manifest the Dockerfile stays."""
    before = base(checkout)
    assert "neither skopeo nor docker buildx" in pin(checkout).stderr
    registry(checkout, "skopeo", manifest="")
    done = pin(checkout)
    assert (done.returncode, done.stdout) == (1, "")
    (checkout / "bin" / "skopeo").write_text("#!/bin/bash\nprintf half\nexit 1\n")
    assert pin(checkout).returncode == 1
    assert base(checkout) == before


def test_the_dockerfile_names_the_official_image() -> None:
    """By its tag, and by a digest where one could be learnt."""
    assert re.fullmatch(rf"{re.escape(TAG)}(@sha256:[0-9a-f]{{64}})?", base(ROOT))


def test_the_script_can_be_run() -> None:
    """As ``make image-pin`` does."""
    assert os.access(ROOT / "image" / "pin", os.X_OK)
