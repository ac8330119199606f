"""The whole text that Prometheus gets."""

import gc
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families as of_plain

from broker.metrics.exposition import exposition
from broker.metrics.meters import Meters
from broker.tokens import State
from tests.metrics.pods import HEALTHY, named, pod, read, seen

of_openmetrics: Callable[[str], Iterable[Metric]] = (
    openmetrics_parser.text_string_to_metric_families
)
PLAIN = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROMETHEUS_ASKS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,*/*;q=0.1"
)


def busy() -> Meters:
    """Return meters that have counted something of each kind."""
    meters = Meters()
    meters.requests("served", "fresh", 0.001)
    meters.requests("invalid_token", None, 0.001)
    meters.refresh("acme", "authenticate", "success", 0.2)
    meters.waited(0.5)
    return meters


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", PLAIN),
        ("*/*", PLAIN),
        ("text/plain;version=0.0.4", PLAIN),
        ("application/json", PLAIN),
        ("application/openmetrics-text", OPENMETRICS),
        ("Application/OpenMetrics-Text ; version=abc", OPENMETRICS),
        ("application/openmetrics-text;version=2.evil", OPENMETRICS),
        (PROMETHEUS_ASKS, OPENMETRICS),
        (";;,,=;", PLAIN),
    ],
)
def test_the_format_is_the_one_asked_for(accept: str, kind: str) -> None:
    """OpenMetrics for whoever lists it; nothing of the header comes back."""
    text, told = exposition(Meters(), named(), accept)
    assert told == kind
    assert text.endswith(b"# EOF\n") is (kind == OPENMETRICS)


def test_both_formats_tell_the_same() -> None:
    """Each as its own parser reads it."""
    meters, acme = busy(), named("acme")
    plain, strict = (exposition(meters, acme, accept)[0] for accept in ("", OPENMETRICS))
    assert samples(of_openmetrics(strict.decode())) == samples(of_plain(plain.decode()))


def samples(families: Iterable[Metric]) -> dict[str, list[tuple[list[tuple[str, str]], float]]]:
    """Return labels and value of each sample by its name."""
    told: dict[str, list[tuple[list[tuple[str, str]], float]]] = {}
    for one in (sample for family in families for sample in family.samples):
        told.setdefault(one.name, []).append((sorted(one.labels.items()), one.value))
    return told


def test_promtool_finds_no_fault() -> None:
    """Neither in the format nor by its rules for good names."""
    promtool = shutil.which("promtool")
    if promtool is None:
        assert not os.environ.get("CI"), "CI must have promtool"
        pytest.skip("no promtool on this machine")
    text, _ = exposition(busy(), pod(HEALTHY._replace(skew=1.0)))
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, timeout=30, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


def test_an_organization_that_is_gone_is_not_told_of() -> None:
    """Its counters go on, unseen, and are back when it is."""
    meters = busy()
    for _ in range(2):
        assert seen(meters, named("globex"), "broker_refreshes_total") == {}
        back = seen(meters, named("acme"), "broker_refreshes_total")
        assert back["authenticate", "acme", "success"] == 1


def test_nothing_but_names_words_and_numbers_is_told() -> None:
    """No error, credential version or problem, which may hold what an operator pasted."""
    canary = HEALTHY._replace(
        state=State.EMPTY,
        last_error="canary-error",
        credential_version="canary-version",
        record_version="canary-record",
    )
    told = replace(
        pod(canary), files=tuple(replace(one, problems=("canary",)) for one in pod().files)
    )
    text, _ = exposition(busy(), told)
    assert b"canary" not in text
    assert read(text, "broker_reload_success") == {("credentials",): 0}


def test_no_time_of_birth_is_told() -> None:
    """Files of several processes have none; nobody declared it."""
    assert b"_created" not in exposition(busy(), named("acme"))[0]


def series_of(text: bytes, organization: str) -> list[str]:
    """Return the lines about an organization."""
    label = f'organization="{organization}"'
    return [line for line in text.decode().splitlines() if label in line]


def test_an_organization_has_eight_series_at_most() -> None:
    """One that is well has six, one whose refreshes fail has all."""
    meters = Meters()
    for name in ("well", "failing"):
        meters.refresh(name, "authenticate", "success", 0.2)
        meters.refresh(name, "refresh", "success", 0.2)
    meters.refresh("failing", "refresh", "ambiguous", 0.2)
    well = HEALTHY._replace(organization="well", skew=1.0, skew_age=5.0)
    trouble: dict[str, Any] = {"overdue": 9.0, "failures": 3, "next_attempt_in": 4.0}
    text, _ = exposition(meters, pod(well, well._replace(organization="failing", **trouble)))
    assert [len(series_of(text, name)) for name in ("well", "failing")] == [6, 8]


def test_what_never_happened_has_no_series() -> None:
    """Of an organization that nobody has asked for there is its state alone."""
    idle = HEALTHY._replace(
        organization="idle",
        state=State.EMPTY,
        expires_in=None,
        refresh_expires_in=None,
        in_use=False,
    )
    text, _ = exposition(busy(), pod(HEALTHY, idle))
    assert series_of(text, "idle") == [
        'broker_organization_state{organization="idle",state="empty"} 1.0'
    ]


class TestWithoutOrganizations:
    def test_they_are_told_together(self) -> None:
        """The sum of what was counted, the worst of what is, and of those in use alone."""
        meters = Meters(organizations=False)
        for name in ("acme", "globex"):
            meters.refresh(name, "refresh", "success", 0.2)
            meters.store_damaged(name, "lease")
        globex = HEALTHY._replace(
            organization="globex", expires_in=7.0, overdue=9.0, failures=3, latched=True
        )
        unused = globex._replace(organization="unused", expires_in=-99.0, in_use=False)
        of = pod(HEALTHY, globex, unused)
        told = {
            name: seen(meters, of, f"broker_{name}")
            for name in (
                "refreshes_total",
                "store_damage_total",
                "token_expires_in_seconds",
                "token_refresh_overdue_seconds",
                "organization_state",
                "failures",
                "credentials_rejected",
                "organizations",
                "organizations_in_use",
            )
        }
        assert told == {
            "refreshes_total": {("refresh", "success"): 2},
            "store_damage_total": {("lease",): 2},
            "token_expires_in_seconds": {("access",): 7, ("refresh",): 86000},
            "token_refresh_overdue_seconds": {(): 9},
            "organization_state": {("fresh",): 2},
            "failures": {(): 3},
            "credentials_rejected": {(): 1},
            "organizations": {(): 3},
            "organizations_in_use": {(): 2},
        }

    def test_no_name_is_told(self) -> None:
        """And all else is told as it is otherwise."""
        meters = Meters(organizations=False)
        text, _ = exposition(meters, named("acme", "globex"))
        assert b"organization=" not in text
        other, _ = exposition(Meters(), named("acme", "globex"))
        assert b"organization=" in other
        unlabelled = [line for line in other.splitlines() if b"organization=" not in line]
        assert set(unlabelled) <= set(text.splitlines())


def test_a_scrape_leaves_nothing_behind() -> None:
    """Neither open files nor objects."""
    told = named(*(f"org-{number}" for number in range(200)))
    meters = busy()

    def scrape() -> tuple[int, int]:
        exposition(meters, told)
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir())), len(gc.get_objects())

    for _ in range(3):
        scrape()
    files, objects = scrape()
    again = scrape()
    assert again[0] == files
    assert again[1] - objects < 100
