"""Reads just enough of PromQL to know which metrics and labels an expression is about."""

import re
from dataclasses import dataclass

from broker.metrics.catalogue import BY_NAME, Metric, Type
from broker.tokens import Kind, State
from broker.web.errors import ROWS

TARGET_LABELS = frozenset({"namespace", "job", "pod", "instance"})
"""Labels that Prometheus gives to what it scrapes."""
_GROUPING = re.compile(r"\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_KEYWORDS = {"and", "or", "unless", "offset", "bool"}
_SELECTOR = re.compile(r"(\w+)\{([^}]*)\}")
_MATCHER = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"')
_WORDS = re.compile(r'\w+=~?"([\w|]+)"')
_SUFFIX = re.compile(r"_(bucket|sum|count)$")


@dataclass(frozen=True)
class Selector:
    """A metric as it is named in an expression, and the labels it is selected by."""

    name: str
    labels: frozenset[str]
    words: frozenset[str]

    @property
    def metric(self) -> Metric | None:
        """Return the metric of the catalogue that it is; None if it is none."""
        base = BY_NAME.get(_SUFFIX.sub("", self.name))
        if base is not None and (base.type is Type.HISTOGRAM) == (base.name != self.name):
            return base
        return None

    @property
    def strange(self) -> frozenset[str]:
        """Return the words it is selected by that no series of it has, by what it means."""
        meant = re.findall(r"`(\w+)`", self.metric.meaning) if self.metric else []
        return self.words - {row.code for row in ROWS} - {*State, *Kind, *meant}

    @property
    def possible(self) -> frozenset[str]:
        """Return the labels that its series have."""
        own = frozenset(self.metric.labels if self.metric else ())
        bucket = {"le"} if self.name.endswith("_bucket") else set[str]()
        return TARGET_LABELS | own | bucket


def selectors(expression: str) -> list[Selector]:
    """Return all selectors that have braces."""
    return [
        Selector(
            name,
            frozenset(_MATCHER.findall(matchers)),
            frozenset(word for one in _WORDS.findall(matchers) for word in one.split("|")),
        )
        for name, matchers in _SELECTOR.findall(expression)
    ]


def bare_names(expression: str) -> set[str]:
    """Return what else must be a metric: a name without braces that is no function or keyword."""
    rest = re.sub(r'"[^"]*"', "", expression)
    rest = _SELECTOR.sub("", _GROUPING.sub("", re.sub(r"\[[^]]*\]", "", rest)))
    return set(re.findall(r"\b[a-zA-Z_]\w*\b(?!\s*\()", rest)) - _KEYWORDS


def grouped_by(expression: str) -> set[str]:
    """Return the labels that the expression groups or matches by."""
    lists = [labels for _, labels in _GROUPING.findall(expression)]
    return {label.strip() for labels in lists for label in labels.split(",")}


def outer_labels(expression: str) -> set[str]:
    """Return the labels of the result, as its first grouping tells."""
    first = _GROUPING.search(expression)
    return {label.strip() for label in first[2].split(",")} if first else set()


def problems(expression: str) -> list[str]:
    """Return what an expression has that the catalogue has not."""
    found = [f"{name} has no braces" for name in sorted(bare_names(expression))]
    used = selectors(expression)
    for one in used:
        if one.metric is None:
            found.append(f"{one.name} is no metric")
        found += [f"{one.name} has no {label}" for label in sorted(one.labels - one.possible)]
        found += [f"{one.name} is never {word}" for word in sorted(one.strange)]
    every = frozenset[str]().union(*(one.possible for one in used))
    found += [f"nothing has {label}" for label in sorted(grouped_by(expression) - every)]
    return found
