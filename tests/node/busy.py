"""Other work on the machine: one process for each core that does nothing but compute."""

import os
import subprocess
import sys
from types import TracebackType
from typing import Self

COMPUTE = "while True: pass"


class Busy:
    """All cores at work, for as long as the ``with`` block.

    Each is a session of its own: the scheduler shares time among sessions first.
    """

    def __enter__(self) -> Self:
        self._running = [
            subprocess.Popen([sys.executable, "-c", COMPUTE], start_new_session=True)
            for _ in range(os.cpu_count() or 1)
        ]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for one in self._running:
            one.kill()
            one.wait()
