"""The whole harness, run as CI does: for right answers, not for figures."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.__main__ import PARTS

ROOT = Path(__file__).parents[2]
HALVES = [list(PARTS)[:6], list(PARTS)[6:]]
"""Each within the time that one may take on a busy machine."""


def bench(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run ``python -m bench``."""
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.mark.sockets
@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("parts", HALVES)
def test_quick_mode_finds_every_answer_right(tmp_path: Path, parts: list[str]) -> None:
    """Every part is run, and none judges a figure taken in passing."""
    file = tmp_path / "figures.json"
    done = bench("--quick", "--aged", "1", "--json", str(file), *parts)
    assert done.returncode == 0, done.stderr
    report = json.loads(file.read_text())
    assert [one["part"] for one in report["findings"]] == parts
    verdicts = {target["reached"] for one in report["findings"] for target in one["targets"]}
    assert verdicts == {None}
    assert done.stdout.count("### ") == len(parts)
    assert ("were refreshed for 1 s" in done.stdout) == ("memory" in parts)


@pytest.mark.sockets
def test_unknown_part_is_refused() -> None:
    """Before anything is started."""
    assert bench("nonsense").returncode == 2
