"""kubectl, one command at a time."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.cluster.report import FailedError

LIMIT = 120.0


class Kubectl:
    """kubectl as an administrator of the cluster."""

    def __init__(self, kubeconfig: Path) -> None:
        self._command = ("kubectl", "--kubeconfig", str(kubeconfig))

    def command(self, *arguments: str) -> list[str]:
        """Return the words of a command."""
        return [*self._command, *arguments]

    def run(
        self, *arguments: str, stdin: str | None = None, limit: float = LIMIT
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command that may fail."""
        return subprocess.run(
            self.command(*arguments),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )

    def do(self, *arguments: str, stdin: str | None = None, limit: float = LIMIT) -> str:
        """Run a command that must succeed; return what it printed."""
        done = self.run(*arguments, stdin=stdin, limit=limit)
        if done.returncode:
            raise FailedError(f"kubectl {' '.join(arguments[:4])}: {done.stderr.strip()}")
        return done.stdout

    def apply(self, *things: Any) -> None:
        """Make objects as they are given, or change those that are there."""
        listed = {"apiVersion": "v1", "kind": "List", "items": list(things)}
        self.do("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(listed))

    def execute(self, namespace: str, pod: str, command: Sequence[str]) -> str:
        """Run a command in a pod."""
        return self.do("-n", namespace, "exec", pod, "--", *command)
