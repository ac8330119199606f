"""Secrets behind ``NAME_FILE`` are read again when their files change."""

from pathlib import Path

import pytest

from broker.files.watch import Polled
from broker.settings import ONLY_ORGANIZATION, Inputs, load, load_inputs
from tests.files.folders import keys

NAMES = {"BROKER_CONSUMER": "consumer", "BROKER_SECRET_KEY": "secret_key"}


@pytest.fixture
def inputs(environ: dict[str, str], tmp_path: Path) -> Inputs:
    """Start with both keys and a proxy in files that are named as their settings."""
    del environ["BROKER_CREDENTIALS_DIR"]
    (tmp_path / "BROKER_CANVAS_PROXY").write_text("http://me:old@proxy:3128")
    write_keys(tmp_path, "a")
    for name in (*NAMES, "BROKER_CANVAS_PROXY"):
        environ[f"{name}_FILE"] = str(tmp_path / name)
    return load_inputs(load(environ))


def write_keys(folder: Path, letter: str) -> None:
    """Write a pair of keys."""
    for name, field in NAMES.items():
        (folder / name).write_text(getattr(keys(letter), field).reveal())


def test_new_keys(inputs: Inputs, tmp_path: Path) -> None:
    """They are those of the one organization, and a new writing."""
    before = inputs.credentials.current[ONLY_ORGANIZATION]
    write_keys(tmp_path, "b")
    assert inputs.credentials.poll().reloaded
    after = inputs.credentials.current[ONLY_ORGANIZATION]
    assert (before.version, after.version) == (keys("a").version, keys("b").version)
    assert before.writing != after.writing


def test_the_same_keys_written_anew(inputs: Inputs, tmp_path: Path) -> None:
    """They are nothing new to tell, and a new writing: who was refused is tried again."""
    before = inputs.credentials.current[ONLY_ORGANIZATION]
    (tmp_path / "BROKER_CONSUMER").unlink()
    write_keys(tmp_path, "a")
    assert inputs.credentials.poll() == Polled()
    assert inputs.credentials.current[ONLY_ORGANIZATION].writing != before.writing


def test_broken_keys(inputs: Inputs, tmp_path: Path) -> None:
    """Those of before stay, also where only one of the two is broken."""
    write_keys(tmp_path, "b")
    (tmp_path / "BROKER_SECRET_KEY").write_text("canary")
    polled = inputs.credentials.poll()
    assert not polled.reloaded
    assert polled.problems[0].startswith("BROKER_SECRET_KEY must be")
    assert "canary" not in repr(polled)
    assert inputs.credentials.current[ONLY_ORGANIZATION].version == keys("a").version


def test_a_new_proxy(inputs: Inputs, tmp_path: Path) -> None:
    """Its password may be rotated."""
    assert inputs.canvas_proxy is not None
    (tmp_path / "BROKER_CANVAS_PROXY").write_text("http://me:new@proxy:3128")
    assert inputs.canvas_proxy.poll().reloaded
    assert inputs.canvas_proxy.current.reveal() == "http://me:new@proxy:3128"
    (tmp_path / "BROKER_CANVAS_PROXY").unlink()
    assert inputs.canvas_proxy.poll().problems == (
        "BROKER_CANVAS_PROXY_FILE names a file that does not exist",
    )
    assert inputs.canvas_proxy.current.reveal() == "http://me:new@proxy:3128"
