"""What the chart makes of values, read."""

import json
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from tests.chart import engine
from tests.chart.engine import HERE, Target, Values

Object = dict[str, Any]
NOTES = "canvas-token-broker/templates/NOTES.txt"
COMPONENT = "app.kubernetes.io/component"


class StrictLoader(yaml.CSafeLoader):
    """Refuses a key that stands twice, of which YAML's own loader takes the last."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        """Construct a mapping."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        assert not twice, f"{twice} stand twice, line {node.start_mark.line}"
        return super().construct_mapping(node, deep)


@dataclass(frozen=True)
class Rendered:
    """The objects, each as Helm would send it, and the notes that the user reads."""

    objects: tuple[Object, ...]
    notes: str

    def of(self, kind: str, component: str | None = None) -> list[Object]:
        """Return the objects of a kind, of one component if it is given."""
        return [
            one
            for one in self.objects
            if one["kind"] == kind and component in {None, component_of(one)}
        ]

    def one(self, kind: str, component: str | None = None) -> Object:
        """Return the only object of a kind."""
        (found,) = self.of(kind, component)
        return found

    def named(self, kind: str, name: str) -> Object:
        """Return the object of this name."""
        (found,) = (one for one in self.of(kind) if one["metadata"]["name"] == name)
        return found

    def broker(self) -> Object:
        """Return the Deployment of the broker."""
        return self.one("Deployment", "broker")

    def container(self) -> Object:
        """Return the broker's container."""
        spec = self.broker()["spec"]["template"]["spec"]
        (found,) = (one for one in spec["containers"] if one["name"] == "broker")
        return dict(found)

    def env(self) -> dict[str, str]:
        """Return the plain values in the environment of the broker's container."""
        return {one["name"]: one["value"] for one in self.container()["env"] if "value" in one}


def component_of(one: Object) -> str | None:
    """Return the component that an object says it belongs to."""
    labels: dict[str, str] = one["metadata"].get("labels", {})
    return labels.get(COMPONENT)


def render(values: Values, target: Target = HERE) -> Rendered:
    """Render with the library, once for the same values; raises RefusedError."""
    return _render(json.dumps(values), target)


@cache
def _render(values: str, target: Target) -> Rendered:
    texts = engine.render(json.loads(values), target)
    notes = texts.pop(NOTES, "")
    return Rendered(tuple(one for text in texts.values() for one in documents(text)), notes)


def documents(text: str) -> Iterator[Object]:
    """Yield the objects in a text of YAML documents."""
    for one in yaml.load_all(text, StrictLoader):
        if one is not None:
            yield one
