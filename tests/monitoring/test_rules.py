"""The alert rules are sound, speak of metrics that exist, and each is shown to fire and be silent.

The unit tests themselves are in ``rules/``, one story each, and are run by promtool.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from broker.web.errors import ROWS, TABLE, TOKEN_ENDPOINT
from tests.monitoring.files import RULES, UNIT_TESTS, Rule, expectations, rules
from tests.monitoring.promql import TARGET_LABELS, outer_labels, problems

ALERTS = sorted({rule.alert for rule in rules()})
EACH = pytest.mark.parametrize("rule", rules(), ids=lambda rule: f"{rule.alert}-{rule.severity}")


def promtool(*arguments: str | Path) -> str:
    """Run promtool, fail if it finds fault, return what it says; skip where there is none."""
    tool = shutil.which("promtool")
    if tool is None and "CI" in os.environ:
        pytest.fail("promtool is missing; .ci/promtool brings it")
    if tool is None:
        pytest.skip("needs promtool; .ci/promtool brings it")
    done = subprocess.run(
        [tool, *arguments], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.sockets
class TestPromtool:
    def test_the_rules_are_sound(self) -> None:
        """Prometheus would take them, all of them."""
        assert f"{len(rules())} rules found" in promtool("check", "rules", RULES)

    @pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: path.stem)
    def test_the_unit_tests_pass(self, path: Path) -> None:
        """Each alert fires when and with what it should, and is silent at the near-miss."""
        promtool("test", "rules", path)

    def test_selectors_can_be_added(self, tmp_path: Path) -> None:
        """A deployment may put its own namespace and job into each pair of braces."""
        groups = yaml.safe_load(RULES.read_text("utf-8"))
        for rule in (rule for group in groups["groups"] for rule in group["rules"]):
            rule["expr"] = rule["expr"].replace("{", '{namespace="tokens",job="broker",')
        path = tmp_path / "rules.yaml"
        path.write_text(yaml.safe_dump(groups), "utf-8")
        promtool("check", "rules", path)


@EACH
def test_metrics_and_labels_are_in_the_catalogue(rule: Rule) -> None:
    """And each selector has braces for more."""
    assert problems(rule.expr) == []


@EACH
def test_an_alert_says_which_deployment_it_is_about(rule: Rule) -> None:
    """Its labels are those of the deployment, and what the matter is about; of pods only clocks."""
    kept = outer_labels(rule.expr) - {"le"}
    assert {"namespace", "job"} <= kept
    if rule.alert != "CanvasTokenBrokerClockSkew":
        assert kept <= TARGET_LABELS - {"pod", "instance"} | {
            "organization",
            "what",
            "flaw",
            "part",
        }


@EACH
def test_the_words_of_an_alert(rule: Rule) -> None:
    """It has all its texts, and they name no label that it does not have."""
    assert re.fullmatch(r"CanvasTokenBroker[A-Z][A-Za-z]+", rule.alert)
    assert rule.labels.keys() == {"severity"}
    assert rule.severity in {"page", "ticket"}
    assert rule.annotations.keys() == {"summary", "description", "runbook"}
    assert rule.annotations["runbook"] == f"docs/alerts.md#{rule.alert.lower()}"
    named = re.findall(r"\$labels\.(\w+)", " ".join(rule.annotations.values()))
    assert set(named) <= outer_labels(rule.expr)


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_is_shown_to_fire_and_to_be_silent(alert: str) -> None:
    """At each of its severities, and never at two of them at once."""
    shown = [fired for name, fired in expectations() if name == alert]
    severities = [rule.severity for rule in rules() if rule.alert == alert]
    assert len(set(severities)) == len(severities)
    assert {frozenset({one}) for one in severities} | {frozenset()} == set(shown)


def test_no_unit_test_is_about_an_alert_that_is_gone() -> None:
    """It would stay silent for ever, and pass."""
    assert {name for name, _ in expectations()} == set(ALERTS)


def outcomes_in(alert: str) -> set[str]:
    """Return the outcomes that the rules of an alert select."""
    found = re.findall(
        r'outcome=~"([^"]+)"', "".join(rule.expr for rule in rules() if rule.alert == alert)
    )
    return {word for one in found for word in one.split("|")}


def test_errors_are_all_codes_of_a_503() -> None:
    """A new one must not be overlooked, in any part of the expression."""
    unavailable = {row.code for row in ROWS if row.status == 503}
    assert outcomes_in("CanvasTokenBrokerErrorsHigh") == unavailable | {"served"}
    expr = next(rule.expr for rule in rules() if rule.alert == "CanvasTokenBrokerErrorsHigh")
    words = [set(one.split("|")) for one in re.findall(r'outcome=~"([^"]+)"', expr)]
    assert words == [unavailable, unavailable | {"served"}, unavailable]


def test_refusals_are_all_codes_of_a_wrong_credential_or_organization() -> None:
    """By either way to ask; a request that is merely malformed is none."""
    rows = [*TABLE.values(), *TOKEN_ENDPOINT.values()]
    refused = {row.code for row in rows if row.status in {401, 403}}
    refused |= {"invalid_grant", "invalid_scope"}
    assert refused <= {row.code for row in rows}
    assert outcomes_in("CanvasTokenBrokerCallerRefusalsHigh") == refused
