"""The load of callers on the Service while something happens."""

import json
import subprocess
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tests.cluster.report import FailedError, wait_for
from tests.node.caller import PAUSE
from tests.node.kubectl import Kubectl
from tests.node.outcomes import Outcome

LIMIT_S = 1500.0
START_S = 60.0
END_S = 60.0
BEFORE = 150
PROGRAM = ("/opt/broker/bin/python", "/caller/caller.py")
TOKEN, KEY = "/caller/token", "/caller/key"


@dataclass(frozen=True)
class Group:
    """Callers of a kind; ``pause`` is from one request to the next, in seconds."""

    name: str
    callers: int
    pause: float
    keep: bool
    credential: str
    organizations: tuple[str, ...] = ("acme",)


GROUPS = (
    Group("kept, by token", 4, 0.3, keep=True, credential=TOKEN),
    Group("kept, by key", 4, 0.3, keep=True, credential=KEY),
    Group("new, by token", 3, 0.3, keep=False, credential=TOKEN),
    Group("new, by key", 3, 0.3, keep=False, credential=KEY),
    Group("kept, mostly idle", 8, 6.0, keep=True, credential=TOKEN),
)
"""Some 48 requests a second, 20 of them on connections of their own."""


class Load:
    """Callers in their pod, for as long as the ``with`` block."""

    def __init__(
        self, kubectl: Kubectl, host: str, groups: tuple[Group, ...] = GROUPS, before: int = BEFORE
    ) -> None:
        plan = {"host": host, "port": 8080, "ca": "/caller/ca.crt", "limit": LIMIT_S}
        self._plan = json.dumps(plan | {"groups": [vars(group) for group in groups]})
        self._command = kubectl.command("-n", "shop", "exec", "-i", "caller", "--", *PROGRAM)
        self._before = before
        self.outcome = Outcome()

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [*self._command, self._plan],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._other: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.wait_for(self._before, START_S)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._reader.join(END_S)
        if error is None and not self.outcome.summary:
            raise FailedError(f"the load program gave no summary: {self._said()}")

    def wait_for(self, requests: int, limit: float = LIMIT_S) -> None:
        """Wait until there have been so many requests."""
        wait_for(
            lambda: self.outcome.requests >= requests or self._is_over(),
            lambda: f"{self.outcome.requests} requests; {self._said()}",
            limit,
        )
        if self._is_over():
            raise FailedError(f"the load program ended: {self._said()}")

    def last(self, seconds: float) -> None:
        """Go on for so long."""
        time.sleep(seconds)

    def pause(self, seconds: float) -> None:
        """Let no caller ask for so long."""
        assert self._process.stdin is not None
        for line, rest in ((PAUSE, seconds), ("go on\n", 0.0)):
            self._process.stdin.write(line)
            self._process.stdin.flush()
            time.sleep(rest)

    def _is_over(self) -> bool:
        return self._process.poll() is not None

    def _said(self) -> str:
        return " ".join(self._other[-5:])

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            read = _json(line)
            if read is None:
                self._other.append(line.strip())
            else:
                self.outcome.read(read)


def _json(line: str) -> dict[str, Any] | None:
    try:
        read = json.loads(line)
    except ValueError:
        return None
    return read if isinstance(read, dict) else None
