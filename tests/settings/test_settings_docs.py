"""The documentation of the settings, the catalogue and the code say the same."""

import ast
import dataclasses
import inspect
import re
from itertools import pairwise
from pathlib import Path

from broker import limits
from broker.limits import Limits
from broker.settings import CATALOGUE, SettingDoc, Settings
from broker.settings.meanings import LIMITS

DOCS = Path(__file__).parents[2] / "docs" / "settings.md"
NAME = re.compile(r"BROKER_[A-Z0-9_]+")
NOT_SETTINGS = {"BROKER_SERVICE_HOST", "BROKER_PORT"}
FIXED = {"dead", "request", "short_life"}


def row(setting: SettingDoc) -> str:
    """Return the line of the table that documents a setting."""
    name = f"`{setting.name}`" + (" (secret)" if setting.secret else "")
    default = "required" if setting.required else ""
    if setting.default is not None:
        default = f"`{setting.default}`"
    return f"| {name} | {default} | {setting.meaning} |"


def test_every_setting_is_documented_as_it_is() -> None:
    """Name, default and meaning, in the order of the catalogue; no row is about anything else."""
    rows = [line for line in DOCS.read_text().splitlines() if line.startswith("| `BROKER_")]
    assert rows == [row(setting) for setting in CATALOGUE]


def test_the_documentation_names_no_setting_that_does_not_exist() -> None:
    """Also not in its sentences."""
    named = set(NAME.findall(DOCS.read_text())) - {"BROKER_"}
    assert named - {setting.name for setting in CATALOGUE} == NOT_SETTINGS


def test_every_field_of_the_settings_has_a_setting() -> None:
    """In both directions, the limits included."""
    own = {field.name for field in dataclasses.fields(Settings)} - {"limits", "secret_files"}
    settable = {field.name for field in dataclasses.fields(Limits)} - FIXED
    names = {setting.name for setting in CATALOGUE}
    assert names == {f"BROKER_{field.upper()}" for field in own | settable}


def test_the_meaning_of_a_limit_is_the_one_its_field_has() -> None:
    """A sentence that is changed in one place is changed in the other."""
    body = next(
        node
        for node in ast.parse(inspect.getsource(limits)).body
        if isinstance(node, ast.ClassDef) and node.name == "Limits"
    ).body
    meanings = {
        ast.unparse(field.target): ast.literal_eval(text.value)
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr)
    }
    told = {
        name: meaning.replace("``", "`").removesuffix(".")
        for name, meaning in meanings.items()
        if name not in FIXED
    }
    assert told == dict(LIMITS)


def test_no_secret_has_a_default() -> None:
    """A default would be in the image and in everyone's hands."""
    assert all(setting.default is None for setting in CATALOGUE if setting.secret)
