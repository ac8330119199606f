"""Each alert has its entry in the runbook, with all five parts, and no entry is left over."""

import re

import pytest

from tests.monitoring.files import RUNBOOK, rules

PARTS = ["Meaning", "Impact", "First look", "What to do", "Over when"]
TEXT = RUNBOOK.read_text("utf-8")
SECTIONS = dict(
    re.findall(r"^## (CanvasTokenBroker\w+)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
)
ALERTS = {rule.alert for rule in rules()}


def test_each_alert_has_an_entry_and_each_entry_an_alert() -> None:
    """Whoever is woken finds what to do."""
    assert SECTIONS.keys() == ALERTS


@pytest.mark.parametrize("alert", sorted(ALERTS))
def test_an_entry_has_its_five_parts(alert: str) -> None:
    """In this order, none of them empty."""
    parts = re.findall(r"^\*\*([^*]+)\*\*:?\s+(\S[^\n]+)", SECTIONS[alert], re.MULTILINE)
    assert [name for name, _ in parts if name in PARTS] == PARTS
    steps = SECTIONS[alert].split("**What to do**")[1].split("**Over when**")[0]
    assert re.match(r"\n1\. \S", steps)


def test_the_table_has_each_alert_with_its_severities() -> None:
    """Pages stand before tickets."""
    found = re.findall(r"^\| \[(\w+)\]\(#(\w+)\) \| ([a-z, ]+) \| \S", TEXT, re.MULTILINE)
    severities: dict[str, list[str]] = {}
    for rule in rules():
        severities.setdefault(rule.alert, []).append(rule.severity)
    assert {name: words.split(", ") for name, _, words in found} == severities
    assert all(anchor == name.lower() for name, anchor, _ in found)
    assert [words for *_, words in found] == sorted(words for *_, words in found)


def test_advice_to_alertmanager_names_alerts_that_exist() -> None:
    """Or nothing would be kept back."""
    advice = TEXT.split("## Fewer messages")[1]
    single = re.findall(r"alertname = (\w+)", advice)
    several = [
        prefix + one
        for prefix, ends in re.findall(r'=~ "(\w+)\(([\w|]+)\)"', advice)
        for one in ends.split("|")
    ]
    assert single
    assert several
    assert set(single) | set(several) <= ALERTS
