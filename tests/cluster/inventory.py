"""Everything that a cluster holds, to tell what an uninstalled release left behind."""

from collections.abc import Iterator
from typing import Any

from tests.cluster.api import Api

SELF_MADE = {"events", "leases", "componentstatuses"}
"""What the cluster makes by itself at any time."""


def inventory(api: Api) -> set[str]:
    """Return the path of each object."""
    found: set[str] = set()
    for path in collections(api):
        found |= {f"{path} {_name(one)}" for one in api.get(path)["items"]}
    return found


def collections(api: Api) -> Iterator[str]:
    """Yield the path of each collection that can be listed over all namespaces."""
    groups = api.get("apis")["groups"]
    for root in ["api/v1", *(f"apis/{g['preferredVersion']['groupVersion']}" for g in groups)]:
        for resource in api.get(root)["resources"]:
            if "list" in resource["verbs"] and resource["name"] not in SELF_MADE:
                yield f"{root}/{resource['name']}"


def _name(thing: Any) -> str:
    metadata = thing["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata['name']}"
