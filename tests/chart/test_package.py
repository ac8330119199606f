"""The package has what an installation needs, and nothing that only belongs to the repository."""

import json
import tarfile
from pathlib import Path

import pytest
import yaml

from broker import __version__
from tests.chart import engine
from tests.chart.binary import Helm
from tests.chart.engine import CHART, HERE, Target
from tests.chart.samples import DEMO, load

NAME = "canvas-token-broker"
NEEDED = {
    "Chart.yaml",
    "README.md",
    "files/dashboard.json",
    "files/fetch_token.py",
    "files/rules.yaml",
    "templates/NOTES.txt",
    "templates/deployment.yaml",
    "values-demo.yaml",
    "values-production.yaml",
    "values.schema.json",
    "values.yaml",
}
KINDS = {".yaml", ".tpl", ".txt", ".md", ".json", ".py", ""}


def packed(archive: Path) -> set[str]:
    """Return the files of a package, by their paths in the chart."""
    with tarfile.open(archive) as package:
        return {name.removeprefix(f"{NAME}/") for name in package.getnames()}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Return the package as the library makes it."""
    return engine.package(tmp_path)


def test_what_is_in_it(archive: Path) -> None:
    """All that the templates read, and no sample of CI's, cache or hidden file."""
    files = packed(archive)
    assert files >= NEEDED
    templates = {str(p.relative_to(CHART)) for p in (CHART / "templates").rglob("*.*")}
    assert files >= templates
    assert not [name for name in files if name.startswith(("ci/", "tests/"))]
    hidden = {name for name in files if any(part[0] in "._" for part in Path(name).parts)}
    assert {name for name in hidden if not name.startswith("templates/_")} <= {".helmignore"}
    assert {Path(name).suffix for name in files} <= KINDS


def test_it_renders_as_the_folder_does(archive: Path) -> None:
    """The templates find all files that they read."""
    target = Target(HERE.release, HERE.namespace, archive)
    assert engine.render(load(DEMO), target) == engine.render(load(DEMO))


def test_it_says_what_it_is(archive: Path) -> None:
    """The version of the program is the one of this repository, and the archive's name tells."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert chart["appVersion"] == __version__
    assert chart["apiVersion"] == "v2"
    assert archive.name == f"{NAME}-{chart['version']}.tgz"
    assert not chart.get("dependencies")


def test_files_are_of_the_form_that_their_names_say() -> None:
    """JSON is JSON, Python compiles."""
    for path in CHART.rglob("*.json"):
        json.loads(path.read_text("utf-8"))
    for path in CHART.rglob("*.py"):
        compile(path.read_text("utf-8"), path.name, "exec")


@pytest.mark.sockets
def test_the_real_helm_packages_the_same(archive: Path, command: Helm, tmp_path: Path) -> None:
    """File by file."""
    folder = tmp_path / "by-command"
    done = command.run("package", CHART, "--destination", folder)
    assert done.returncode == 0, done.stderr
    (other,) = folder.iterdir()
    assert packed(other) == packed(archive)
