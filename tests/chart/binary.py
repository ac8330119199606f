"""Helm by its command, where there is one on PATH; CI must have it, and ``.ci/helm`` brings it."""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.chart.engine import CHART, HERE, NAMESPACE, RefusedError, Target, Values

LIMIT = 30.0
SOURCE = "# Source: canvas-token-broker/"


@dataclass(frozen=True)
class Helm:
    """The command, with a home of its own, so that nobody's plugins or settings count."""

    path: str
    home: Path

    def run(self, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        """Run a command that may fail."""
        return subprocess.run(
            [self.path, *arguments],
            env={"PATH": os.defpath, "HOME": str(self.home)},
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=False,
        )

    def render(self, values: Values, target: Target = HERE, *options: str) -> dict[str, str]:
        """Return the text of each template, but not of the notes; raises RefusedError."""
        with tempfile.NamedTemporaryFile("w", suffix=".yaml", dir=self.home) as file:
            yaml.safe_dump(dict(values), file)
            file.flush()
            where = ("--namespace", target.namespace, "--values", file.name)
            done = self.run("template", target.release, target.chart, *where, *options)
        if done.returncode:
            raise RefusedError(done.stderr)
        assert not done.stderr, done.stderr
        return by_template(done.stdout)

    def lint(self, path: Path) -> "subprocess.CompletedProcess[str]":
        """Lint the chart with a file of values."""
        return self.run("lint", CHART, "--strict", "--namespace", NAMESPACE, "--values", path)


def by_template(text: str) -> dict[str, str]:
    """Return the documents of all templates by the template that they come from."""
    found: dict[str, str] = {}
    for document in text.split("\n---\n"):
        source, _, rest = document.removeprefix("---\n").partition("\n")
        assert source.startswith(SOURCE), source
        name = source.removeprefix("# Source: ")
        found[name] = f"{found.get(name, '')}\n---\n{rest}"
    return found


def helm(home: Path) -> Helm:
    """Return the command; skip where there is none, but not in CI."""
    path = shutil.which("helm")
    if path is None and "CI" in os.environ:
        pytest.fail("helm is missing; .ci/helm brings it")
    if path is None:
        pytest.skip("no helm here; its library renders the same (.ci/helm builds the program)")
    return Helm(path, home)
