"""Pods that admission judges, and the values that a release is changed to."""

from typing import Any

IMAGE = "registry.example/any:1"


def decent() -> dict[str, Any]:
    """Return the template of a pod that *restricted* lets through."""
    profile = {"type": "RuntimeDefault"}
    own = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {"name": "decent", "image": IMAGE, "securityContext": own}
    outer = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": profile}
    return {"metadata": {}, "spec": {"securityContext": outer, "containers": [container]}}


def rooted() -> dict[str, Any]:
    """Return one that is decent but for the user it may run as."""
    template = decent()
    template["spec"]["securityContext"] = {"seccompProfile": {"type": "RuntimeDefault"}}
    return template


def privileged() -> dict[str, Any]:
    """Return one that owns its node."""
    container = {"name": "mighty", "image": IMAGE, "securityContext": {"privileged": True}}
    return {"metadata": {}, "spec": {"containers": [container]}}
