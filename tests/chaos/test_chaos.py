"""One round over a handful of faults, with real processes; ``make chaos`` plays them all."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.processes import SCRIPT
from tests.chaos.rounds import FAULTS, play_rounds

pytestmark = pytest.mark.sockets

HANDFUL = (
    "kill -9 of the holder, call sent",
    "SIGSTOP beyond the lease, SIGCONT",
    "SIGTERM, refresh in flight",
    "host clocks wrong by ±10 min",
    "Redis hung (SIGSTOP)",
    "Redis flushed",
    "credentials swapped",
    "Canvas: 500",
)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_handful_of_faults(tmp_path: Path) -> None:
    """No caller is served an expired token, refused while there is one, or kept waiting."""
    faults = [fault for fault in FAULTS if fault.name in HANDFUL]
    rows = list(play_rounds(tmp_path, random.Random(1), 0, faults))
    assert [sentence for row in rows for sentence in row.violations()] == []
    assert sorted(row.fault for row in rows) == sorted(HANDFUL)
    assert all(row.requests > 20 for row in rows)
    assert all(row.calls >= 1 for row in rows)


def test_wrong_clock_runs_the_broker() -> None:
    """It is the ``broker`` command under another time of day."""
    done = subprocess.run(
        [sys.executable, "-P", str(SCRIPT), "600", "--version"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert "version" in done.stdout
