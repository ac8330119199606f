"""Helm by its library, Helm 4's own in a wheel, where there is one for this machine.

The wheel is young, so that nothing but this module knows it: it could be replaced by the command,
which :mod:`tests.chart.binary` runs.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

try:
    import helm_python
except ImportError:
    MISSING: str | None = "Helm's library comes for Linux on x86-64 alone, and is not here"
else:
    MISSING = None

CHART = Path(__file__).parents[2] / "helm" / "canvas-token-broker"
NAMESPACE = "tokens"
RELEASE = "broker"
Values = Mapping[str, Any]
INFO = 1


class RefusedError(Exception):
    """The chart does not take these values; the text is what Helm tells the user."""


@dataclass(frozen=True)
class Target:
    """What is installed where."""

    release: str = RELEASE
    namespace: str = NAMESPACE
    chart: Path = CHART


HERE = Target()


def render(values: Values, target: Target = HERE) -> dict[str, str]:
    """Return the text of each template; raises RefusedError."""
    with _loaded(target.chart) as chart:
        return _or_refused(
            lambda: chart.render(
                dict(values), name=target.release, namespace=target.namespace, is_install=True
            )
        )


def lint(values: Values) -> list[str]:
    """Return what the strict linter has to say, beyond mere information."""
    demand()
    found = helm_python.lint(CHART, dict(values), strict=True, namespace=NAMESPACE)
    said = [one["error"] for one in found["messages"] if one["severity"] > INFO]
    return [*said, *found["errors"]]


def package(folder: Path) -> Path:
    """Return the archive of the chart."""
    demand()
    return Path(helm_python.package(CHART, destination=folder))


def demand() -> None:
    """Skip where there is no library for this machine; CI has a machine that has it."""
    if MISSING and "CI" in os.environ:
        pytest.fail(MISSING)
    if MISSING:
        pytest.skip(MISSING)


def _loaded(chart: Path) -> "helm_python.Chart":
    demand()
    return helm_python.Chart.load(chart)


def _or_refused(rendered: Callable[[], dict[str, str]]) -> dict[str, str]:
    try:
        return rendered()
    except helm_python.HelmError as error:
        raise RefusedError(str(error)) from None
