"""The texts and the product say the same: what is undocumented, or documented and gone, fails here.

Settings and emulator have tests of their own: ``test_settings_docs.py``, ``emulator/test_docs.py``.
"""

import ast
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from flask import Flask

from broker import __version__
from broker.audit.entry import AuditEntry
from broker.cli import COMMANDS, command
from broker.failure_kinds import TABLE, PolicyKind
from broker.kubernetes.failure import KeysFailure
from broker.settings import load, load_inputs
from broker.tokens import Flaw
from broker.web import examples
from broker.web.app import create_app
from broker.web.endpoints import EVERY, PORTS, Port
from broker.web.errors import ROWS
from broker.web.health_schemas import HEALTH_QUERY
from broker.web.log_events import EVENTS
from broker.web.schemas import (
    METADATA_ANSWER,
    TOKEN_FORM,
    TOKEN_QUERY,
    GrantAnswer,
    TokenAnswer,
)
from broker.web.token_endpoint import CLIENT_CREDENTIALS, JWT_BEARER
from tests.test_architecture import imported

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
ADRS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
ENDPOINT = re.compile(r"`((?:GET|POST|PUT|PATCH|DELETE) /[^`\s?]*)`")
NOT_OURS = re.compile(r"\w+ /(?:_emulator|api)")
NOT_ENDPOINTS = {"HEAD", "OPTIONS"}
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
AUDIT_ONLY_OF_LOSSES = {"count"}


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


def endpoints(app: Flask) -> set[str]:
    """Return each method with its path."""
    rules = app.url_map.iter_rules()
    return {f"{m} {rule.rule}" for rule in rules for m in (rule.methods or set()) - NOT_ENDPOINTS}


class TestEndpoints:
    @pytest.mark.parametrize("name", ["README.md", "docs/api.md"])
    def test_every_endpoint_is_named(self, app: Flask, name: str) -> None:
        """With its method, in the first table; and nothing else is, anywhere."""
        assert set(ENDPOINT.findall(page(name))) == endpoints(app)
        table = page(name).split("| endpoint |")[1].split("\n\n")[0]
        assert names(table) == endpoints(app)

    @pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
    def test_no_page_names_an_endpoint_that_is_not_there(self, app: Flask, path: Path) -> None:
        """The emulator's own paths and Canvas's are not the broker's."""
        named = ENDPOINT.findall(path.read_text("utf-8"))
        assert {one for one in named if not NOT_OURS.match(one)} <= endpoints(app)

    def test_every_path_is_named_with_its_ports(self) -> None:
        """In the table of the setting, and beside each endpoint of the API."""
        table = rows(section("docs/settings.md", "## A port for operators"))
        told = {
            row[0].strip("`"): {
                port for port, cell in zip(Port, row[1:], strict=True) if cell == "yes"
            }
            for row in table
        }
        assert told == PORTS
        words = {
            frozenset({Port.CALLERS}): "on the callers' port",
            frozenset({Port.MANAGEMENT}): "on the management port",
            EVERY: "on both",
        }
        first = page("docs/api.md").split("| endpoint |")[1].split("\n\n")[0]
        for endpoint, _, where in rows(first):
            assert where == words[PORTS[endpoint.strip("`").split()[1]]]

    def test_every_endpoint_has_its_section(self, app: Flask) -> None:
        """A heading for each, in the page on the API."""
        headings = re.findall(r"^## ([A-Z]+ /\S+)$", page("docs/api.md"), re.MULTILINE)
        assert sorted(headings) == sorted(endpoints(app))

    def test_form_and_fields_of_the_token_endpoint(self) -> None:
        """Its answer is that of GET and what is said to be more; both grants are named."""
        assert names(section("docs/api.md", "### Form")) == set(TOKEN_FORM.fields)
        more = names(section("docs/api.md", "### Answer of the endpoint"))
        assert more == GrantAnswer().fields.keys() - TokenAnswer().fields.keys()
        assert {CLIENT_CREDENTIALS, JWT_BEARER} == names(section("docs/api.md", "### Grants"))

    def test_fields_of_the_metadata(self) -> None:
        """In the table, and in the example above it."""
        text = section("docs/api.md", "## GET /.well-known/oauth-authorization-server")
        assert names(text) == set(METADATA_ANSWER.fields)
        assert json.loads(text.split("```")[1].removeprefix("json")).keys() == names(text)

    def test_parameters_and_fields_of_token(self) -> None:
        """The tables have what the schemas have."""
        assert names(section("docs/api.md", "### Parameters")) == set(TOKEN_QUERY.fields)
        assert names(section("docs/api.md", "### Answer")) == set(TokenAnswer().fields)
        assert set(TOKEN_QUERY.fields) <= names(section("README.md", "## Asking for a token"))

    def test_fields_of_health(self) -> None:
        """Every name of the body has its row, and no row is about anything else."""
        body = json.dumps(examples.HEALTH)
        table = section("docs/api.md", "## GET /health").split("An organization's own")[0]
        assert names(table) == set(re.findall(r'"([^"]+)": ', body))
        assert names(section("docs/api.md", "### Which organizations")) == set(HEALTH_QUERY.fields)


@pytest.mark.parametrize(
    ("name", "heading", "left_out"),
    [
        ("docs/api.md", "## Errors", set()),
        ("README.md", "## Asking for a token", {414, 431, 501}),  # no client library sends such
    ],
)
def test_every_error_code_is_documented_with_its_status(
    name: str, heading: str, left_out: set[int]
) -> None:
    """The table of the page has the rows of the tables in the code, each once."""
    found = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", section(name, heading), re.MULTILINE)
    rows = {(str(row.status), row.code) for row in ROWS if row.status not in left_out}
    assert sorted(found) == sorted(rows)
    assert {code for _, code in found} == {row.code for row in ROWS}


def events() -> dict[str, set[str]]:
    """Return the log events of the service, each with its levels; the emulator is none."""
    found: dict[str, set[str]] = {}
    for path in set((ROOT / "broker").rglob("*.py")) - set((ROOT / "broker/emulator").iterdir()):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            for event, level in [*logged(node), *made_by_hand(node)]:
                assert event is not None, f"{path.name}: an event is a constant"
                found.setdefault(event, set()).add(level)
    return found


def logged(node: ast.AST) -> Iterator[tuple[str | None, str]]:
    """Yield the event and each level of a call of a logger."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return
    logger, level = ast.unparse(node.func.value), node.func.attr
    if level not in LEVELS or not logger.startswith(("_log", "logging.getLogger(")):
        return
    if level == "log":
        for given in re.findall(r"logging\.(\w+)", ast.unparse(node.args[0])):
            yield constant(node.args[1]), given.lower()
    else:
        yield constant(node.args[0]), level


def made_by_hand(node: ast.AST) -> Iterator[tuple[str | None, str]]:
    """Yield event and level of a line that is written where no logger can be used."""
    if isinstance(node, ast.Dict):
        line = {constant(key): value for key, value in zip(node.keys, node.values, strict=True)}
        if {"event", "level"} <= line.keys():
            yield constant(line["event"]), str(constant(line["level"])).lower()


def constant(node: ast.expr | None) -> str | None:
    """Return the text that stands there, if it is one."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return None


def test_every_log_event_is_documented_with_its_level() -> None:
    """And each documented one is in the code."""
    table = rows(section("docs/operations.md", "## Logs").split("### Kinds of failure")[0])
    assert {row[0].strip("`"): set(row[1].split(", ")) for row in table} == events()


def test_every_log_event_is_declared_with_its_fields() -> None:
    """In the code, and in the last column of the page."""
    assert EVENTS.keys() == events().keys()
    table = rows(section("docs/operations.md", "## Logs").split("### Kinds of failure")[0])
    for row in table:
        event = row[0].strip("`")
        assert set(EVENTS[event]) <= set(re.findall(r"`(\w+)`", row[3])), event


def test_every_field_of_the_audit_is_documented() -> None:
    """And its events; the example on the page is a line as it is written."""
    text = section("docs/operations.md", "## The audit")
    kinds = re.findall(r'"(\w+\.\w+)"', page("broker/audit/entry.py"))
    assert kinds
    assert all(f"`{kind}`" in text for kind in [*kinds, "audit.lost"])
    written = json.loads(AuditEntry("id", "10.0.0.1").line("now"))
    assert names(text) == written.keys() | AUDIT_ONLY_OF_LOSSES
    example = next(line for line in text.splitlines() if line.startswith('    {"log":'))
    assert json.loads(example).keys() == written.keys()


def test_every_reason_for_missing_keys_is_documented() -> None:
    """Those of ``kubernetes.keys_failed``."""
    table = section("docs/operations.md", "## Callers in Kubernetes").split("| reason |")[1]
    assert names(table) == set(KeysFailure)


def test_every_kind_of_failure_is_documented() -> None:
    """Those of the upstream client, and those that the policy adds."""
    documented = names(section("docs/operations.md", "### Kinds of failure"))
    assert documented == set(TABLE)
    policy = "".join(path.read_text("utf-8") for path in (ROOT / "broker/policy").glob("*.py"))
    assert all(f'"{kind}"' in policy for kind in set(PolicyKind) - {"unknown"})


def test_every_kind_of_flaw_is_documented() -> None:
    """And none that there is not."""
    table = rows(section("docs/operations.md", "### Kinds of flaw"))
    assert {name for row in table for name in re.findall(r"`(\w+)`", row[0])} == set(Flaw)


def test_every_command_is_documented_with_its_options() -> None:
    """``emulator`` has a page for its own."""
    table = {row[0]: row[1] for row in rows(section("docs/operations.md", "## Commands"))}
    assert table.keys() == {f"`broker {name}`" for name in COMMANDS}
    for name in set(COMMANDS) - {"emulator"}:
        params = [one for one in command(name).params if isinstance(one, click.Option)]
        options = {option for one in params for option in one.opts}
        assert options == set(re.findall(r"`(--[a-z-]+)`", table[f"`broker {name}`"]))


def test_every_part_in_use_is_on_the_page_about_the_house() -> None:
    """What a part that is there imports is there as well; and none is there that is gone."""
    parts = names(section("docs/architecture.md", "## Layers"))
    assert "broker.web" in parts
    for path in (ROOT / "broker").rglob("*.py"):
        part = f"broker.{path.relative_to(ROOT / 'broker').parts[0].removesuffix('.py')}"
        if part in parts:
            found = imported(ast.parse(path.read_text("utf-8")))
            ours = {one for one in found if one.startswith("broker.")}
            assert {".".join(one.split(".")[:2]) for one in ours} <= parts
    for part in parts:
        place = ROOT / part.replace(".", "/")
        assert place.is_dir() or place.with_suffix(".py").is_file()


def test_every_make_target_is_documented() -> None:
    """And each documented one is in the Makefile."""
    targets = re.findall(r"^([a-z0-9-]+):", page("Makefile"), re.MULTILINE)
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
    numbers = [int(path.name[:4]) for path in ADRS]
    assert numbers == sorted(set(numbers))


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


PROOF = re.compile(r"`(?:tests/)?((?:\w+/)?test_\w+\.py)((?:::\w+)*)`")


@pytest.mark.parametrize(
    ("name", "least"), [("docs/refresh-protocol.md", 60), ("docs/security.md", 80)]
)
def test_every_named_test_exists(name: str, least: int) -> None:
    """What the pages on the protocol and on security call a proof is one that can be run."""
    proofs = PROOF.findall(page(name))
    assert len(proofs) > least
    for module, test in proofs:
        assert (ROOT / "tests" / module).is_file(), module
        assert test in proofs_in(ROOT / "tests" / module), f"{module}{test}"


@pytest.mark.parametrize("heading", ["## Failure matrix", "## Invariants"])
def test_every_row_of_the_protocol_has_a_proof(heading: str) -> None:
    """No promise without a test; the invariants are numbered as everywhere."""
    table = section("docs/refresh-protocol.md", heading).splitlines()
    promises = [line for line in table if line.startswith("| ")][1:]
    assert all(PROOF.search(line) for line in promises)
    if heading == "## Invariants":
        numbers = [int(line.split(" | ")[0].removeprefix("| ")) for line in promises]
        assert numbers == sorted(set(numbers))
        assert set(numbers) >= {*range(1, 18), 19}


def test_every_threat_has_an_answer_and_a_proof() -> None:
    """No row without either; a rotation that promises no gap says what shows it."""
    lines = section("docs/security.md", "## Threats").splitlines()
    threats = [line for line in lines if line.startswith("| ") and "| threat |" not in line]
    assert threats
    assert all(len(line.split(" | ")) == 3 and PROOF.search(line) for line in threats)
    rotations = re.split(r"^### ", section("docs/security.md", "## Rotation"), flags=re.MULTILINE)
    assert all(re.search(r"Shown\s+by\s+`", one) and PROOF.search(one) for one in rotations[1:])


def test_a_weakness_can_be_reported() -> None:
    """From the first page and from the one on security, and not by an issue that all can read."""
    assert {"SECURITY.md", "docs/security.md"} <= set(LINK.findall(page("README.md")))
    assert "../SECURITY.md" in LINK.findall(page("docs/security.md"))
    assert "Not in a public issue" in page("SECURITY.md")


def test_the_version_is_the_same_everywhere() -> None:
    """In the package, and in what it is published under; the changelog has a place for the next."""
    assert tomllib.loads(page("pyproject.toml"))["project"]["version"] == __version__
    assert "## [Unreleased]" in page("CHANGELOG.md")
