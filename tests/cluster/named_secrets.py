"""The Secrets that values name, as an operator makes them before the first install."""

from collections.abc import Iterator
from typing import Any

from tests.cluster.api import must
from tests.cluster.release import Release
from tests.cluster.stage import Stage


def make_secrets(stage: Stage, release: Release, values: str) -> None:
    """Make each Secret that what is rendered with these values refers to, with made-up contents."""
    wanted: dict[str, dict[str, str]] = {}
    rendered = release.rendered(*stage.values(values))
    own = {one["metadata"]["name"] for one in rendered if one["kind"] == "Secret"}
    for thing in rendered:
        for name, key in references(thing):
            wanted.setdefault(name, {})[key] = f"made-up-{key}"
    for name in wanted.keys() - own:
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
        must(stage.api.create({**secret, "stringData": wanted[name]}, release.namespace))


def references(part: Any) -> Iterator[tuple[str, str]]:
    """Yield name and key of every Secret that is mentioned in an object or a part of one."""
    if isinstance(part, list):
        for one in part:
            yield from references(one)
    elif isinstance(part, dict):
        yield from _here(part)
        for one in part.values():
            yield from references(one)


def _here(part: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if "secretKeyRef" in part:
        yield part["secretKeyRef"]["name"], part["secretKeyRef"]["key"]
    source = part.get("secret")
    if isinstance(source, dict):
        name = source.get("secretName") or source["name"]
        yield from ((name, item["key"]) for item in source.get("items", []))
