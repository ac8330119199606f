"""Linters find nothing, by the library and by the command."""

from pathlib import Path

import pytest
from yamllint import linter  # type: ignore[import-untyped]  # ships no types
from yamllint.config import YamlLintConfig  # type: ignore[import-untyped]  # as above

from tests.chart import engine
from tests.chart.binary import Helm
from tests.chart.engine import CHART
from tests.chart.samples import EACH_FILE, FILES, load

STYLE = YamlLintConfig(
    """
extends: default
rules:
  document-start: disable
  comments: {min-spaces-from-content: 1}
  comments-indentation: disable
  line-length: {max: 125}
  braces: {max-spaces-inside: 0}
  truthy: {check-keys: false}
"""
)


@EACH_FILE
def test_helm_lint_is_content(path: Path) -> None:
    """Strictly: a warning is an error."""
    assert engine.lint(load(path)) == []


@pytest.mark.sockets
@EACH_FILE
def test_helm_lint_of_the_command_is_content(path: Path, command: Helm) -> None:
    """It counts one chart, and none that failed."""
    done = command.lint(path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 chart(s) linted, 0 chart(s) failed" in done.stdout


@pytest.mark.parametrize(
    "path", [CHART / "values.yaml", CHART / "Chart.yaml", *FILES], ids=lambda path: path.name
)
def test_the_yaml_is_tidy(path: Path) -> None:
    """No key stands twice, lines can be read, and the last one ends."""
    found = linter.run(path.read_text("utf-8"), STYLE, str(path))
    assert [f"{one.line}: {one.desc}" for one in found] == []
