"""The whole text that Prometheus gets."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import replace

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
    meters.configured(["acme"])
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
