"""The documentation of the settings, the catalogue and the code say the same."""

import dataclasses
import re
from pathlib import Path

from broker.limits import Limits
from broker.settings import CATALOGUE, Setting, Settings

DOCS = Path(__file__).parents[2] / "docs" / "settings.md"
NAME = re.compile(r"BROKER_[A-Z0-9_]+")
NOT_SETTINGS = {"BROKER_SERVICE_HOST", "BROKER_PORT"}
FIXED = {"dead", "request", "short_life"}


def row(setting: Setting) -> str:
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


def test_no_secret_has_a_default() -> None:
    """A default would be in the image and in everyone's hands."""
    assert all(setting.default is None for setting in CATALOGUE if setting.secret)
