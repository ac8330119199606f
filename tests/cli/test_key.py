"""``broker key`` shows a key once, and prints what the callers file takes."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from broker.callers import EVERYTHING
from broker.cli import main
from broker.files.callers import read_callers


def test_the_lines_let_the_key_in(tmp_path: Path) -> None:
    """Appended to the file as they are, they make the key that was shown work."""
    result = CliRunner().invoke(main, ["key", "billing"])
    assert result.exit_code == 0
    file = tmp_path / "callers.toml"
    file.write_text(result.stdout)
    callers, problems = read_callers(file)
    assert problems == ()
    key = next(line for line in result.stderr.splitlines() if line.startswith("ctb_"))
    found = callers.find(key)
    assert found is not None
    assert (found.name, found.organizations) == ("billing", EVERYTHING)
    assert key not in result.stdout


def test_two_callers_in_one_file(tmp_path: Path) -> None:
    """Lines of several calls stand together; a name with a dot is quoted as TOML wants."""
    file = tmp_path / "callers.toml"
    names = ["billing", "reports.eu"]
    file.write_text("".join(CliRunner().invoke(main, ["key", name]).stdout for name in names))
    callers, problems = read_callers(file)
    assert problems == ()
    assert [caller.name for caller in callers.callers] == names


def test_organizations(tmp_path: Path) -> None:
    """The caller may be limited to some."""
    arguments = ["key", "billing", "--organization", "acme", "--organization", "bolt"]
    file = tmp_path / "callers.toml"
    file.write_text(CliRunner().invoke(main, arguments).stdout)
    callers, _ = read_callers(file)
    assert callers.callers[0].organizations == frozenset({"acme", "bolt"})


def test_never_the_same_key_twice() -> None:
    """Each call makes another one."""
    outputs = {CliRunner().invoke(main, ["key", "billing"]).stdout for _ in range(5)}
    assert len(outputs) == 5


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["key"], "NAME"),
        (["key", "two words"], "a caller's name is"),
        (["key", ""], "a caller's name is"),
        (["key", "billing", "--organization", "ACME"], "an organization is"),
        (["key", "billing", "--organization", '"]'], "an organization is"),
    ],
)
def test_bad_input_is_named(arguments: list[str], said: str) -> None:
    """What is wrong and what is allowed, no key, exit 2."""
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert said in result.output
    assert "ctb_" not in result.output
