"""The documentation of the settings, the catalogue and the code say the same."""

import dataclasses
import re

from broker.limits import Limits
from broker.settings import CATALOGUE, Settings
from tests.settings.table import PAGE, SCHEMA, renewed_page, renewed_schema, row

NAME = re.compile(r"BROKER_[A-Z0-9_]+")
NOT_SETTINGS = {"BROKER_SERVICE_HOST", "BROKER_PORT"}
FIXED = {"dead", "request", "short_life"}


def test_every_setting_is_documented_as_it_is() -> None:
    """``python -m tests.settings.table`` makes it so; no row is about anything else."""
    page = PAGE.read_text("utf-8")
    assert page == renewed_page(page)
    rows = [line for line in page.splitlines(keepends=True) if line.startswith("| `BROKER_")]
    assert rows == [row(setting) for setting in CATALOGUE]


def test_the_chart_says_of_settings_what_they_say() -> None:
    """In its schema, which the same command writes."""
    schema = SCHEMA.read_text("utf-8")
    assert schema == renewed_schema(schema)


def test_the_documentation_names_no_setting_that_does_not_exist() -> None:
    """Also not in its sentences."""
    named = set(NAME.findall(PAGE.read_text("utf-8"))) - {"BROKER_"}
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
