"""What the catalogue declares, and that everything there is, is told."""

import re
from dataclasses import fields

import pytest

from broker.audit.entry import SERVED as AUDIT_SERVED
from broker.metrics.catalogue import BY_NAME, CATALOGUE, Type
from broker.metrics.exposition import exposition
from broker.metrics.gauges import READINGS
from broker.metrics.meters import Meters
from broker.metrics.words import FILES, ORGANIZATION, REFUSALS, SERIES, SERVED
from broker.settings import Inputs
from broker.web.errors import TABLE, TOKEN_ENDPOINT, UNFORESEEN
from tests.metrics.pods import HEALTHY, pod


def test_every_name_is_declared_once() -> None:
    """And says by its beginning whose it is."""
    assert len(BY_NAME) == len(CATALOGUE)
    assert all(re.fullmatch(r"broker_[a-z_]+", name) for name in BY_NAME)


def test_every_metric_of_the_catalogue_is_told_and_no_other() -> None:
    """With its type and its meaning, in the catalogue's order."""
    text = exposition(Meters(), pod(HEALTHY))[0].decode()
    assert re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE) == [
        (metric.name, metric.type) for metric in CATALOGUE
    ]
    assert re.findall(r"^# HELP \S+ (.*)$", text, re.MULTILINE) == [
        metric.meaning for metric in CATALOGUE
    ]


def test_every_gauge_has_its_reading() -> None:
    """None is declared and never set, none is set and not declared."""
    assert READINGS.keys() == {m.name for m in CATALOGUE if m.type is Type.GAUGE}


def test_every_label_of_a_counter_has_its_words() -> None:
    """All but the organization."""
    labelled = {
        metric.name: len(set(metric.labels) - {ORGANIZATION})
        for metric in CATALOGUE
        if metric.type is not Type.GAUGE and metric.labels
    }
    assert {name: {len(words) for words in SERIES[name]} for name in SERIES} == {
        name: {count} for name, count in labelled.items()
    }


@pytest.mark.parametrize("name", [name for name in SERIES if name != "broker_token_requests_total"])
def test_the_meaning_names_every_word(name: str) -> None:
    """A word that nobody explains cannot be asked for."""
    words = {word for words in SERIES[name] for word in words}
    assert words <= set(re.findall(r"`(\w+)`", BY_NAME[name].meaning)) | {"authenticate", "refresh"}


def test_the_outcomes_of_requests_are_the_codes_of_the_error_table() -> None:
    """And the word that the audit has for an answer with a token."""
    rows = [*TABLE.values(), *TOKEN_ENDPOINT.values(), UNFORESEEN]
    assert set(REFUSALS) == {row.code for row in rows}
    assert SERVED == AUDIT_SERVED


def test_the_files_are_those_that_the_catalogue_names() -> None:
    """Each may be told of by the service; what it watches and has no word is counted as other."""
    assert set(FILES) == {field.name for field in fields(Inputs)} - {"issuer"}
    assert all(f"`{what}`" in BY_NAME["broker_reloads_total"].meaning for what in FILES)
