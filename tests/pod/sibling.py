"""A worker in a process of its own: ``python -m tests.pod.sibling DIRECTORY GENERATION``.

Writes a line when it answers, and answers until its input ends.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from broker.clock import SystemClock
from broker.pod.siblings import Siblings
from broker.pod.snapshot import WorkerHistories, WorkerSnapshot
from tests.pod.samples import GOOD, history_of, worker

ROOT = Path(__file__).parents[2]


def main(directory: str, generation: str) -> None:
    """Answer with a token of this generation."""

    def snapshot() -> WorkerSnapshot:
        return worker(os.getpid(), GOOD._replace(generation=int(generation)))

    def histories(names: Sequence[str]) -> WorkerHistories:
        return history_of(os.getpid(), names, float(generation))

    siblings = Siblings(Path(directory), 3, snapshot, histories, SystemClock())
    siblings.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()
    siblings.stop()


@contextmanager
def sibling(directory: Path, generation: int) -> Iterator[subprocess.Popen[bytes]]:
    """Start one, and end it in any case."""
    command = [sys.executable, "-m", "tests.pod.sibling", str(directory), str(generation)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield process
        finally:
            process.kill()


if __name__ == "__main__":
    main(*sys.argv[1:])
