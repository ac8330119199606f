"""The page about the emulator leaves nothing out and shows nothing that does not work."""

import json
import re
from pathlib import Path

import pytest

from broker.cli.emulator import emulator
from broker.emulator.app import create_emulator
from broker.emulator.edge import Encoding
from broker.emulator.faults import Absence, Body, Calls, Drop, Expiry, Hold, RetryAfter
from broker.emulator.knobs import INTERIM, STATUSES, Knobs, read_knobs
from broker.emulator.minting import Utc
from tests.emulator.support import make_canvas

PAGE = (Path(__file__).parents[2] / "docs" / "emulator.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"`(\{[^`…]*\})`", PAGE) + re.findall(r"-d '(\{.*\})' \S+/faults", PAGE)


@pytest.mark.parametrize("knob", sorted(Knobs().fields))
def test_every_knob_is_described(knob: str) -> None:
    """By its name."""
    assert f"`{knob}`" in PAGE


@pytest.mark.parametrize(
    "choices",
    [
        *[Absence, Body, Calls, Drop, Encoding, Expiry, Hold, RetryAfter, Utc],
        *[INTERIM, STATUSES],
    ],
)
def test_every_choice_is_described(choices: list[object]) -> None:
    """By its value."""
    assert all(f"`{choice}`" in PAGE for choice in choices)


def test_every_option_is_described() -> None:
    """By its long name."""
    options = [name for option in emulator.params for name in option.opts]
    assert all(f"`{name}`" in PAGE for name in options)


def test_every_management_path_is_described() -> None:
    """With its method."""
    app = create_emulator(make_canvas())
    for rule in app.url_map.iter_rules():
        for method in (rule.methods or set()) & {"GET", "POST"}:
            assert f"{method} {rule.rule}" in PAGE


def test_every_counter_is_described() -> None:
    """By its name."""
    counters = create_emulator(make_canvas()).test_client().get("/_emulator/stats").get_json()
    assert all(f"`{name}`" in PAGE for name in counters)


@pytest.mark.parametrize("example", [one for one in EXAMPLES if '"organization"' not in one])
def test_every_example_works(example: str) -> None:
    """It is JSON and the emulator takes it."""
    change = read_knobs(json.loads(example))
    assert change.standing or change.fault is not None
