"""``broker key`` shows a key once, and prints what the callers file takes."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from broker.callers import EVERYTHING, key_digest
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


def test_an_organization_named_twice_is_written_once() -> None:
    """The line stays readable."""
    arguments = ["key", "billing", "--organization", "acme", "--organization", "acme"]
    assert 'organizations = ["acme"]' in CliRunner().invoke(main, arguments).stdout


def test_json_for_scripts(tmp_path: Path) -> None:
    """One document with all of it, and nothing beside it."""
    arguments = ["key", "reports.eu", "--organization", "acme", "--json"]
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    made = json.loads(result.stdout)
    assert made.keys() == {"name", "key", "key_sha256", "organizations", "toml"}
    assert (made["name"], made["organizations"]) == ("reports.eu", ["acme"])
    assert made["key_sha256"] == key_digest(made["key"])
    file = tmp_path / "callers.toml"
    file.write_text(made["toml"])
    callers, problems = read_callers(file)
    assert problems == ()
    found = callers.find(made["key"])
    assert found is not None
    assert found.name == "reports.eu"


def test_help_says_where_the_key_goes() -> None:
    """And documents the exit codes."""
    text = " ".join(CliRunner().invoke(main, ["key", "--help"]).output.split())
    assert "on standard error, and kept nowhere" in text
    assert "broker key billing >> callers.toml" in text
    assert "Exit codes: 0 a key was made; 2 wrong command line." in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["key"], "NAME"),
        (["key", "two words"], "a caller's name is"),
        (["key", ""], "a caller's name is"),
        (["key", "billing", "--organization", "ACME"], "an organization is"),
        (["key", "billing", "--organization", '"]'], "an organization is"),
        (["key", "billing", "--organization", "*", "--organization", "acme"], "stands for all"),
        (["key", "billing", "--nonsense"], "--nonsense"),
    ],
)
def test_bad_input_is_named(arguments: list[str], said: str) -> None:
    """What is wrong and what is allowed, no key, exit 2."""
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert said in result.output
    assert "ctb_" not in result.output
