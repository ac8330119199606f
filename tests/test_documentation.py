"""The texts and the product say the same: what is undocumented, or documented and gone, fails here.

Settings and emulator have tests of their own: ``test_settings_docs.py``, ``emulator/test_docs.py``.
"""

import ast
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
from flask import Flask

from broker import __version__
from broker.cli import main
from broker.policy.answers import OrganizationHealth
from broker.settings import load, load_inputs
from broker.upstream.kinds import FailureKind
from broker.web.app import create_app
from broker.web.errors import CODES, HTTP_TABLE, TABLE, UNFORESEEN
from broker.web.health import summary
from broker.web.schemas import TOKEN_ANSWER, TOKEN_QUERY

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
ADRS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
ENDPOINT = re.compile(r"`(?:GET|POST|PUT|PATCH|DELETE) (/[^`\s?]*)`")
POLICY_KINDS = {"lease_too_short", "short_life", "superseded", "crashed"}
NOT_OURS = ("/_emulator", "/api")


def page(name: str) -> str:
    """Return the text of a page."""
    return (ROOT / name).read_text("utf-8")


def section(name: str, heading: str) -> str:
    """Return a page's text below a heading, up to the next heading of the same or a higher rank."""
    lines = page(name).splitlines()
    start = lines.index(heading)
    rank = heading.index(" ")
    ends = (n for n, line in enumerate(lines) if n > start and re.match(rf"#{{1,{rank}}} ", line))
    return "\n".join(lines[start + 1 : next(ends, len(lines))])


def rows(text: str) -> list[list[str]]:
    """Return the cells of all table rows whose first cell begins with code."""
    found = [line.strip().strip("|").split(" | ") for line in text.splitlines() if "| " in line]
    cells = [[cell.strip() for cell in row] for row in found]
    return [row for row in cells if row[0].startswith("`")]


def names(text: str) -> set[str]:
    """Return what stands in code in the first cells of a text's tables."""
    return {name for row in rows(text) for name in re.findall(r"`([^`]+)`", row[0])}


@pytest.fixture(scope="module")
def app() -> Flask:
    """Return the application as a worker has it; nothing is started."""
    keys = {
        "BROKER_CONSUMER": "c0" * 32,
        "BROKER_SECRET_KEY": "00000000-0000-4000-8000-00000000c0de",
    }
    settings = load(
        {**keys, "BROKER_REDIS_URL": "redis://redis:6379", "BROKER_CALLER_AUTH": "none"}
    )
    return create_app(settings, load_inputs(settings))


class TestEndpoints:
    @pytest.mark.parametrize("name", ["README.md", "docs/api.md"])
    def test_every_endpoint_is_named(self, app: Flask, name: str) -> None:
        """With its method; and nothing else is."""
        rules = {rule.rule for rule in app.url_map.iter_rules()}
        assert set(ENDPOINT.findall(page(name))) == rules

    @pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
    def test_no_page_names_an_endpoint_that_is_not_there(self, app: Flask, path: Path) -> None:
        """The emulator's own paths and Canvas's are not the broker's."""
        rules = {rule.rule for rule in app.url_map.iter_rules()}
        named = ENDPOINT.findall(path.read_text("utf-8"))
        assert {one for one in named if not one.startswith(NOT_OURS)} <= rules

    def test_every_endpoint_has_its_section(self, app: Flask) -> None:
        """A heading for each, in the page on the API."""
        headings = re.findall(r"^## GET (/\S+)$", page("docs/api.md"), re.MULTILINE)
        assert sorted(headings) == sorted(rule.rule for rule in app.url_map.iter_rules())

    def test_parameters_and_fields_of_token(self) -> None:
        """The tables have what the schemas have."""
        assert names(section("docs/api.md", "### Parameters")) == set(TOKEN_QUERY.fields)
        assert names(section("docs/api.md", "### Answer")) == set(TOKEN_ANSWER.fields)
        assert set(TOKEN_QUERY.fields) <= names(section("README.md", "## Asking for a token"))

    def test_fields_of_health(self) -> None:
        """Every name of the body has its row, and no row is about anything else."""
        nothing: Any = dict.fromkeys(OrganizationHealth.__slots__)
        body = json.dumps(summary([OrganizationHealth(**nothing)], []))
        table = section("docs/api.md", "## GET /health").split("An organization's own")[0]
        assert names(table) == set(re.findall(r'"([^"]+)": ', body))


@pytest.mark.parametrize(
    ("name", "heading"), [("docs/api.md", "## Errors"), ("README.md", "## Asking for a token")]
)
def test_every_error_code_is_documented_with_its_status(name: str, heading: str) -> None:
    """The table of the page has the rows of the table in the code."""
    found = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", section(name, heading), re.MULTILINE)
    table = [*TABLE.values(), *HTTP_TABLE.values(), UNFORESEEN]
    assert set(found) == {(str(row.status), row.code) for row in table}
    assert {code for _, code in found} == CODES


def events() -> dict[str, set[str]]:
    """Return the log events of the service, each with its levels; the emulator is none."""
    found: dict[str, set[str]] = {}
    for path in set((ROOT / "broker").rglob("*.py")) - set((ROOT / "broker/emulator").iterdir()):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("_log."):
                level = ast.unparse(node.func).removeprefix("_log.")
                event = node.args[1 if level == "log" else 0]
                given = re.findall(r"logging\.(\w+)", ast.unparse(node.args[0]))
                assert isinstance(event, ast.Constant), f"{path.name}: an event is a constant"
                levels = {one.lower() for one in given} if level == "log" else {level}
                found.setdefault(str(event.value), set()).update(levels)
    return found


def test_every_log_event_is_documented_with_its_level() -> None:
    """And each documented one is in the code."""
    table = rows(section("docs/operations.md", "## Logs").split("### Kinds of failure")[0])
    assert {row[0].strip("`"): set(row[1].split(", ")) for row in table} == events()


def test_every_kind_of_failure_is_documented() -> None:
    """Those of the upstream client, and those that the policy adds."""
    documented = names(section("docs/operations.md", "### Kinds of failure"))
    assert documented == set(FailureKind) | POLICY_KINDS
    policy = "".join(path.read_text("utf-8") for path in (ROOT / "broker/policy").glob("*.py"))
    assert all(f'"{kind}"' in policy for kind in POLICY_KINDS)


def test_every_command_is_documented_with_its_options() -> None:
    """``emulator`` has a page for its own."""
    table = {row[0]: row[1] for row in rows(section("docs/operations.md", "## Commands"))}
    assert table.keys() == {f"`broker {name}`" for name in main.commands}
    for name in main.commands.keys() - {"emulator"}:
        params = [one for one in main.commands[name].params if isinstance(one, click.Option)]
        options = {option for one in params for option in one.opts}
        assert options == set(re.findall(r"`(--[a-z-]+)`", table[f"`broker {name}`"]))


def test_every_make_target_is_documented() -> None:
    """And each documented one is in the Makefile."""
    targets = re.findall(r"^([a-z]+):", page("Makefile"), re.MULTILINE)
    documented = names(section("docs/development.md", "## Commands"))
    assert documented == {f"make {target}" for target in targets}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    """The file is there, and so is the heading."""
    for target in LINK.findall(without_code(path.read_text("utf-8"))):
        if not target.startswith(("http://", "https://")):
            file, _, anchor = target.partition("#")
            goal = (path.parent / file).resolve() if file else path
            assert goal.exists(), target
            assert not anchor or anchor in anchors(goal), target


def without_code(text: str) -> str:
    """Return a page without its fenced and indented code."""
    unfenced = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"^    .*$", "", unfenced, flags=re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", without_code(path.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}


def test_every_page_is_linked_from_the_readme() -> None:
    """Nothing is written that nobody finds; the decisions have an index of their own."""
    linked = set(LINK.findall(page("README.md")))
    pages = {str(path.relative_to(ROOT)) for path in PAGES if path not in ADRS}
    assert pages - {"README.md"} <= linked


def test_every_decision_is_in_the_index_under_its_title() -> None:
    """Number, title and file; numbers are used once and in order."""
    index = re.findall(
        r"^\| (\d+) \| \[(.+)\]\((.+)\) \|$", page("docs/adr/README.md"), re.MULTILINE
    )
    titles = [re.match(r"# (\d+)\. (.+)\n", path.read_text("utf-8")) for path in ADRS]
    found = [
        (*title.groups(), path.name) for title, path in zip(titles, ADRS, strict=True) if title
    ]
    assert index == found
    assert [int(path.name[:4]) for path in ADRS] == list(range(1, len(ADRS) + 1))


@pytest.mark.parametrize("path", ADRS, ids=lambda path: path.stem)
def test_every_decision_has_its_four_parts(path: Path) -> None:
    """What was the question, what is decided, what else was there, what follows."""
    headings = re.findall(r"^## (.+)$", path.read_text("utf-8"), re.MULTILINE)
    assert headings == ["Context", "Decision", "Alternatives", "Consequences"]


def proofs_in(path: Path) -> set[str]:
    """Return the names under which a test module's classes and tests can be pointed at."""
    found = {""}
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            found.add(f"::{node.name}")
        elif isinstance(node, ast.ClassDef):
            tests = [one.name for one in node.body if isinstance(one, ast.FunctionDef)]
            found |= {f"::{node.name}", *(f"::{node.name}::{test}" for test in tests)}
    return found


PROOF = re.compile(r"`(?:tests/)?(\w+/test_\w+\.py)((?:::\w+)*)`")


def test_every_named_test_exists() -> None:
    """What the page on the protocol calls a proof is one that can be run."""
    proofs = PROOF.findall(page("docs/refresh-protocol.md"))
    assert len(proofs) > 60
    for module, name in proofs:
        assert (ROOT / "tests" / module).is_file(), module
        assert name in proofs_in(ROOT / "tests" / module), f"{module}{name}"


@pytest.mark.parametrize("heading", ["## Failure matrix", "## Invariants"])
def test_every_row_of_the_protocol_has_a_proof(heading: str) -> None:
    """No promise without a test; the invariants are all seventeen."""
    table = section("docs/refresh-protocol.md", heading).splitlines()
    promises = [line for line in table if line.startswith("| ")][1:]
    assert all(PROOF.search(line) for line in promises)
    if heading == "## Invariants":
        assert [line.split(" | ")[0] for line in promises] == [f"| {n}" for n in range(1, 18)]


def test_the_version_is_the_same_everywhere() -> None:
    """In the package, and in what it is published under; the changelog has a place for the next."""
    assert tomllib.loads(page("pyproject.toml"))["project"]["version"] == __version__
    assert "## [Unreleased]" in page("CHANGELOG.md")
