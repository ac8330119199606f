"""The real Helm against a cluster, one command at a time."""

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.report import FailedError

LIMIT = 240.0
WARNING = re.compile("warn", re.IGNORECASE)
"""In Helm's own words, and in those of the API server that it repeats."""


@dataclass(frozen=True)
class Done:
    """What a command printed, and how it ended."""

    code: int
    out: str
    error: str


class Helm:
    """Helm in one namespace, with folders of its own in place of the user's."""

    def __init__(
        self, binary: str, kubeconfig: Path, namespace: str, home: Path, limit: float = LIMIT
    ) -> None:
        self._limit = limit
        self._command = (binary, "--namespace", namespace, "--kubeconfig", str(kubeconfig))
        self._environ = {"PATH": os.environ["PATH"], "HOME": str(home)}

    def run(self, *arguments: str) -> Done:
        """Run a command that may fail."""
        done = subprocess.run(
            [*self._command, *arguments],
            env=self._environ,
            capture_output=True,
            text=True,
            timeout=self._limit,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def do(self, *arguments: str) -> Done:
        """Run a command that must succeed, without a warning of Helm's or the API server's."""
        done = self.run(*arguments)
        if done.code or WARNING.search(done.error):
            raise FailedError(f"helm {arguments[0]}: {done.error.strip() or done.out.strip()}")
        return done

    def manifest(self, release: str) -> list[Any]:
        """Return the objects of a release."""
        return objects(self.do("get", "manifest", release).out)

    def hooks(self, release: str) -> list[Any]:
        """Return its hooks, the pods of ``helm test`` among them."""
        return objects(self.do("get", "hooks", release).out)

    def revision(self, release: str) -> int:
        """Return the number of its revision in force."""
        status = json.loads(self.do("status", release, "--output", "json").out)
        return int(status["version"])


def objects(text: str) -> list[Any]:
    """Return the objects in a text of YAML documents."""
    return [one for one in yaml.safe_load_all(text) if one]
