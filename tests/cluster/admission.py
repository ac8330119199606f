"""Pods put before the API server's admission, which holds the namespace to *restricted*."""

from typing import Any

from tests.cluster.api import Answer, Api, must, wait_until_there
from tests.cluster.report import expect

LEVEL = "restricted"
VIOLATION = "violates PodSecurity"
MODES = ("enforce", "warn", "audit")


def make_namespace(api: Api, name: str) -> None:
    """Make a namespace under Pod Security *restricted*, and wait until it is furnished."""
    labels = {f"pod-security.kubernetes.io/{mode}": LEVEL for mode in MODES}
    metadata = {"name": name, "labels": labels}
    must(api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}))
    inside = f"api/v1/namespaces/{name}"
    for path in (f"{inside}/serviceaccounts/default", f"{inside}/configmaps/kube-root-ca.crt"):
        wait_until_there(api, path)


def try_pod(api: Api, namespace: str, template: Any) -> Answer:
    """Ask what would become of a pod of this template; none is made."""
    metadata = {**template.get("metadata", {}), "name": "tried"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
    return api.create(pod, namespace, dry_run=True)


def expect_admitted(api: Api, namespace: str, template: Any) -> None:
    """Hold a pod to be created without a word of warning."""
    answer = try_pod(api, namespace, template)
    expect(answer.status == 201, f"{answer.status}: {answer.message}")
    expect(not answer.warnings, f"warned: {answer.warnings}")


def expect_refused(api: Api, namespace: str, template: Any, word: str) -> None:
    """Hold a pod to be refused by Pod Security admission, for the reason named."""
    answer = try_pod(api, namespace, template)
    expect(answer.status == 403, f"it was answered with {answer.status}")
    expect(VIOLATION in answer.message and word in answer.message, answer.message)


def templates(things: list[Any]) -> dict[str, Any]:
    """Return the pod template of each object that has one, or is one, under its kind and name."""
    found = {}
    for thing in things:
        name = f"{thing['kind']} {thing['metadata']['name']}"
        if thing["kind"] == "Pod":
            found[name] = {"metadata": {}, "spec": thing["spec"]}
        elif "template" in thing.get("spec", {}):
            found[name] = thing["spec"]["template"]
    return found
