"""The page about the metrics says what the catalogue says."""

import re

from broker.metrics.catalogue import BY_NAME, CATALOGUE, Type
from tests.metrics.table import BEGIN, END, PAGE, renewed

NAME = re.compile(r"\bbroker_\w+")
PARTS = ("_bucket", "_count", "_sum")


def test_the_table_is_the_catalogue() -> None:
    """``python -m tests.metrics.table`` makes it so."""
    page = PAGE.read_text("utf-8")
    assert (page.count(BEGIN), page.count(END)) == (1, 1)
    assert page == renewed(page)


def test_the_sentences_name_no_metric_that_does_not_exist() -> None:
    """Examples of queries included."""
    histograms = {metric.name for metric in CATALOGUE if metric.type is Type.HISTOGRAM}
    known = BY_NAME.keys() | {name + part for name in histograms for part in PARTS}
    assert set(NAME.findall(PAGE.read_text("utf-8"))) <= known
