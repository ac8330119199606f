"""The kinds of the Prometheus operator that the chart may make, taken with any content."""

from typing import Any

from tests.cluster.api import Api, must, wait_until_there

GROUP = "monitoring.coreos.com"
KINDS = {"PrometheusRule": "prometheusrules", "ServiceMonitor": "servicemonitors"}


def definition(kind: str, plural: str) -> dict[str, Any]:
    """Return the definition of a kind whose ``spec`` is an object and nothing more is said."""
    spec = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"type": "object", "required": ["spec"], "properties": {"spec": spec}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]},
    }


def define(api: Api) -> None:
    """Make the kinds known, and wait until the API server serves them."""
    for kind, plural in KINDS.items():
        must(api.create(definition(kind, plural)))
    for plural in KINDS.values():
        path = f"apis/{GROUP}/v1/{plural}"
        wait_until_there(api, path)
