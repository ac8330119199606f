"""What the tests say to a real API server, and what it answers, warnings included."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3

from tests.cluster.report import wait_for

LIMIT = 30.0
CORE = "api/v1"
MERGE = {"Content-Type": "application/merge-patch+json"}
PLURALS = {
    "ClusterRoleBinding": "clusterrolebindings",
    "ConfigMap": "configmaps",
    "CustomResourceDefinition": "customresourcedefinitions",
    "Deployment": "deployments",
    "HorizontalPodAutoscaler": "horizontalpodautoscalers",
    "Namespace": "namespaces",
    "NetworkPolicy": "networkpolicies",
    "Pod": "pods",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "PrometheusRule": "prometheusrules",
    "ReplicaSet": "replicasets",
    "Secret": "secrets",
    "Service": "services",
    "ServiceAccount": "serviceaccounts",
    "ServiceMonitor": "servicemonitors",
    "StatefulSet": "statefulsets",
}

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """Status, body, and the texts of the ``Warning`` headers."""

    status: int
    body: Any
    warnings: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """Return the sentence of a refusal."""
        return str(self.body.get("message", "")) if isinstance(self.body, dict) else ""


class RefusedError(Exception):
    """The API server answered with an error where the test counts on none."""


class Api:
    """One API server, asked as the one whom ``token`` stands for."""

    def __init__(self, url: str, token: str, ca_file: Path) -> None:
        self.url = url
        self.token = token
        self.ca_file = ca_file
        self._headers = {"Authorization": f"Bearer {token}"}
        self._pool = urllib3.PoolManager(ca_certs=str(ca_file), timeout=LIMIT, retries=False)

    def ask(self, method: str, path: str, body: object = None, **query: str) -> Answer:
        """Ask once; ``path`` without a slash at its beginning."""
        answer = self._pool.request(
            method,
            f"{self.url}/{path}",
            fields=query if body is None else None,
            json=body,
            headers=self._headers | (MERGE if method == "PATCH" else {}),
        )
        is_json = answer.headers.get("Content-Type", "").endswith("json")
        warnings = tuple(answer.headers.getlist("Warning"))
        return Answer(answer.status, answer.json() if is_json else answer.data.decode(), warnings)

    def get(self, path: str, **query: str) -> Any:
        """Return what is there; raise RefusedError if nothing is."""
        return must(self.ask("GET", path, **query)).body

    def create(self, thing: Object, namespace: str = "", *, dry_run: bool = False) -> Answer:
        """Create an object."""
        query = "?dryRun=All" if dry_run else ""
        return self.ask("POST", collection(thing, namespace) + query, thing)

    def is_ready(self) -> bool:
        """Tell whether it serves."""
        try:
            return self.ask("GET", "readyz").status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def close(self) -> None:
        """Hang up."""
        self._pool.clear()


def must(answer: Answer) -> Answer:
    """Return an answer that is no refusal."""
    if answer.status >= 300:
        raise RefusedError(f"{answer.status}: {answer.message or answer.body}")
    return answer


def wait_until_there(api: Api, path: str) -> None:
    """Wait until a path can be read."""
    wait_for(lambda: api.ask("GET", path).status == 200, lambda: f"{path} is not there")


def collection(thing: Object, namespace: str = "") -> str:
    """Return the path of the collection that an object belongs to."""
    group = thing["apiVersion"]
    start = CORE if group == "v1" else f"apis/{group}"
    inside = f"/namespaces/{namespace}" if namespace else ""
    return f"{start}{inside}/{PLURALS[thing['kind']]}"
