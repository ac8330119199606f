"""Log lines of real processes whose standard output nobody reads, or is read again."""

import json
import os
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from broker.output.lines import CAPACITY
from tests.integration.stalled import StalledPipe

pytestmark = pytest.mark.sockets

LIMIT = 60
MORE = 500
BEGIN = """
import logging, logging.config, os, sys
from broker.settings import LogLevel
from broker.web.logs import install_hooks, logging_config
logging.config.dictConfig(logging_config(LogLevel.INFO))
install_hooks()
log = logging.getLogger("broker.a")
"""
CRASH = """
for number in range(100):
    log.info("files.reloaded", extra={"what": number})
print("printed")
logging.config.dictConfig(logging_config(LogLevel.INFO))  # as gunicorn does
raise RuntimeError("crashed")
"""
FLOOD = f"""
from broker.web.logs import standard_output
counted = []
standard_output.count_losses(lambda: counted.append(1))
for number in range({CAPACITY + MORE}):
    log.info("files.reloaded", extra=dict(what=number))
os.write(2, b"%d\\n" % len(counted))
sys.stdin.read()
"""
FORK = """
def tell(what): log.info("files.reloaded", extra={"what": what})
tell("before")
child = os.fork()
tell("child" if child == 0 else "parent")
if child:
    assert os.waitpid(child, 0)[1] == 0
    tell("reaped")
"""


def begin(script: str, output: int) -> subprocess.Popen[bytes]:
    """Start a script whose log goes to a descriptor."""
    return subprocess.Popen(
        [sys.executable, "-c", BEGIN + script],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.PIPE,
    )


def events(lines: list[str]) -> list[dict[str, Any]]:
    """Return the lines read back."""
    return [json.loads(line) for line in lines]


def test_a_process_ends_although_nobody_reads() -> None:
    """With lines that wait, what was printed, an exception, and logging set up again."""
    with StalledPipe() as pipe:
        process = begin(CRASH, pipe.writing)
        _, printed = process.communicate(timeout=LIMIT)
    assert (process.returncode, printed) == (1, b"")


def test_a_process_ends_although_its_reader_has_gone() -> None:
    """It neither ends earlier for that nor says so elsewhere."""
    reading, writing = os.pipe()
    os.close(reading)
    process = begin(CRASH.replace("raise", "#"), writing)
    os.close(writing)
    _, printed = process.communicate(timeout=LIMIT)
    assert (process.returncode, printed) == (0, b"")


def test_a_reader_that_comes_back_learns_how_many_lines_are_missing() -> None:
    """All that waited arrives in its order; what there was no room for was counted meanwhile."""
    with StalledPipe() as pipe:
        process = begin(FLOOD, pipe.writing)
        assert process.stderr is not None
        counted = int(process.stderr.readline())
        pipe.flow()
        process.communicate(timeout=LIMIT)
    lines = events(pipe.lines())
    lost = [line["count"] for line in lines if line["event"] == "log.lost"]
    arrived = [line["what"] for line in lines if line["event"] != "log.lost"]
    assert process.returncode == 0
    assert 0 < counted <= MORE
    assert lost == [counted]
    assert arrived == list(range(len(arrived)))
    assert len(arrived) + counted == CAPACITY + MORE


def test_what_waits_at_a_fork_is_written_once() -> None:
    """By the parent; the child's own lines arrive as well, before its end."""
    with StalledPipe() as pipe:
        process = begin(FORK, pipe.writing)
        pipe.flow()
        _, printed = process.communicate(timeout=LIMIT)
    assert (process.returncode, printed) == (0, b"")
    lines = events(pipe.lines())  # Python 3.12 and later warn of the fork as well
    found = Counter(line["what"] for line in lines if line["logger"] == "broker.a")
    assert found == Counter(["before", "child", "parent", "reaped"])
