"""Values that cannot work are refused, in words that name them; what is next to them passes."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from broker.files.caller_schema import SLIPS
from tests.chart import engine
from tests.chart.binary import Helm
from tests.chart.engine import CHART, RefusedError
from tests.chart.refused import CONTRADICTIONS, NEIGHBOURS, SHAPES, Changes
from tests.chart.samples import MINIMAL, changed, load

SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text("utf-8"))
OPEN = {"global"}
WHAT_KUBERNETES_KNOWS = {
    "affinity",
    "autoscaling.behavior",
    "dnsConfig",
    "podSecurityContext",
    "securityContext",
    "serviceMonitor.tlsConfig",
}
"""Objects that are handed on as they are."""


def name(value: object) -> str:
    """Return the name of a test: the values, as short as they can be."""
    return json.dumps(value)[:70] if isinstance(value, dict) else ""


@pytest.mark.parametrize(("values", "words"), CONTRADICTIONS, ids=name)
def test_a_contradiction_is_refused(values: Changes, words: tuple[str, ...]) -> None:
    """One line says which values it is about."""
    with pytest.raises(RefusedError) as refused:
        engine.render(changed(values))
    lines = [line for line in str(refused.value).splitlines() if line.startswith("- ")]
    assert any(all(word in line for word in words) for line in lines), str(refused.value)


def test_each_hash_that_the_broker_takes_for_a_slip_is_refused() -> None:
    """At the upgrade, and not by pods that keep the last good file."""
    with pytest.raises(RefusedError) as refused:
        engine.render(changed({"callers.billing.keySha256": [one.upper() for one in SLIPS]}))
    assert str(refused.value).count("callers.billing.keySha256 holds the SHA-256 of ") == len(SLIPS)


@pytest.mark.parametrize(("values", "word"), SHAPES, ids=name)
def test_a_wrong_shape_is_refused(values: Changes, word: str) -> None:
    """By the schema, which names the place."""
    with pytest.raises(RefusedError) as refused:
        engine.render(changed(values))
    assert word in str(refused.value)
    assert "schema" in str(refused.value)


@pytest.mark.parametrize("values", NEIGHBOURS, ids=name)
def test_a_good_neighbour_passes(values: Changes) -> None:
    """A check that refuses too much is as bad as none."""
    assert engine.render(changed(values))


def test_all_problems_are_told_at_once() -> None:
    """One after the other would take as many tries."""
    with pytest.raises(RefusedError) as refused:
        engine.render({})
    told = str(refused.value)
    assert all(word in told for word in ("- organizations", "- there is no store", "- callers"))


def test_no_password_is_repeated() -> None:
    """Neither one in the wrong place, nor one that a refusal is about."""
    with pytest.raises(RefusedError) as refused:
        engine.render(
            changed({"redis.url": "redis://:canary@redis", "settings.BROKER_X": "canary"})
        )
    assert "canary" not in str(refused.value)


@pytest.mark.sockets
def test_the_real_helm_refuses_alike(command: Helm) -> None:
    """A sample of each kind: the command says what the library says."""
    for values, words in CONTRADICTIONS[::9]:
        with pytest.raises(RefusedError) as refused:
            command.render(changed(values))
        assert all(word in str(refused.value) for word in words)
    for values, word in SHAPES[::9]:
        with pytest.raises(RefusedError, match="schema") as refused:
            command.render(changed(values))
        assert word in str(refused.value)
    assert command.render(MINIMAL)


def objects(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every part of a schema that describes a map, with the path of its value."""
    if isinstance(schema, dict):
        if schema.get("type") == "object" and path:
            yield path, schema
        for key, part in schema.get("properties", {}).items():
            yield from objects(part, f"{path}.{key}" if path else key)


def test_the_schema_is_closed() -> None:
    """Everywhere but in ``global``, in free maps, and where Kubernetes will look itself."""
    assert SCHEMA["additionalProperties"] is False
    for path, schema in objects(SCHEMA):
        free = "additionalProperties" in schema
        assert free or path in OPEN | WHAT_KUBERNETES_KNOWS, path
        assert ("properties" in schema) == (schema.get("additionalProperties") is False) or (
            path in OPEN
        ), path


def test_the_schema_knows_every_value_and_no_other() -> None:
    """``values.yaml`` has them all."""
    for values, schema in pairs(load(CHART / "values.yaml"), SCHEMA):
        assert values.keys() == schema["properties"].keys()


def pairs(
    values: dict[str, Any], schema: dict[str, Any]
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield each map of the values with the schema that closes it."""
    if "properties" in schema:
        yield values, schema
        for key, part in schema["properties"].items():
            if isinstance(values.get(key), dict):
                yield from pairs(values[key], part)
