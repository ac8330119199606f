"""A machine without a toolchain or a network skips; a lock file that is wrong does not."""

import sys
from pathlib import Path

import pytest

from tests.clients.tools import fetch, need, run


def python(code: str) -> list[str]:
    """Return a command."""
    return [sys.executable, "-c", code]


def test_a_tool_that_is_not_there() -> None:
    """Is named."""
    with pytest.raises(pytest.skip.Exception, match="no-such-tool is not on PATH"):
        need("no-such-tool")


def test_a_fetch_that_fails(tmp_path: Path) -> None:
    """Skips, with what the tool says of it."""
    failing = python("import sys; sys.exit('npm warn this\\nno route to host')")
    with pytest.raises(pytest.skip.Exception, match="no route to host"):
        fetch(failing, tmp_path, {}, ["EUSAGE"])


def test_a_fetch_that_hangs(tmp_path: Path) -> None:
    """Skips."""
    with pytest.raises(pytest.skip.Exception, match=r"more than 0\.2 s"):
        fetch(python("import time; time.sleep(60)"), tmp_path, {}, [], 0.2)


def test_a_fetch_that_finds_the_lock_wrong(tmp_path: Path) -> None:
    """Fails, whatever its exit code is."""
    with pytest.raises(AssertionError, match="EUSAGE"):
        fetch(python("print('code EUSAGE')"), tmp_path, {}, ["EUSAGE"])


def test_the_environment_is_added_to(tmp_path: Path) -> None:
    """The machine's own is kept: proxies, caches and registries are its business."""
    done = run(
        python("import os; print(os.environ['A'], 'PATH' in os.environ)"), tmp_path, {"A": "1"}
    )
    assert done.stdout.split() == ["1", "True"]
