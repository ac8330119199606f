"""Toolchains that a machine may have: run them, or skip with the reason."""

import os
import shutil
import subprocess
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import pytest

FETCH_LIMIT = 60.0
RUN_LIMIT = 200.0


def need(tool: str) -> str:
    """Return where a tool is; skips where it is not."""
    found = shutil.which(tool)
    if found is None:
        pytest.skip(f"{tool} is not on PATH: its client library is tried where its toolchain is")
    return found


def run(
    command: Sequence[str], folder: Path, environ: Mapping[str, str], limit: float = RUN_LIMIT
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; raises TimeoutExpired after ``limit`` seconds."""
    return subprocess.run(
        command,
        cwd=folder,
        env=os.environ | environ,
        timeout=limit,
        check=False,
        capture_output=True,
        text=True,
    )


def fetch(
    command: Sequence[str],
    folder: Path,
    environ: Mapping[str, str],
    faults: Collection[str],
    limit: float = FETCH_LIMIT,
) -> None:
    """Fetch packages; skips if they cannot be had, in CI as well: the network is not ours.

    What the lock file is to blame for is told by ``faults`` in the output, and fails the test.
    """
    shown = " ".join(Path(word).name for word in command)
    try:
        done = run(command, folder, environ, limit)
    except subprocess.TimeoutExpired:
        pytest.skip(f"`{shown}` took more than {limit:g} s: the registry of packages is not ours")
    told = done.stdout + done.stderr
    assert not any(fault in told for fault in faults), told
    if done.returncode:
        lines = [line for line in told.splitlines() if " warn " not in line]
        reason = f"the registry of packages is not ours: {' '.join(lines[:1])}"
        pytest.skip(f"`{shown}` failed; {reason}")
